"""What a replay says of itself: a bar while it works, and then what it found, on the screen and in a file."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from projections.comparison import Difference, TableComparison
from projections.replay import Outcome
from projections.replay import Progress as Told

_EXAMPLES_ON_SCREEN = 5


def file_of(outcome: Outcome, folder: Path) -> Path:
    """The file that keeps an outcome."""
    return folder / f"replay-{outcome.began_at:%Y%m%dT%H%M%S%fZ}.json"


def write(outcome: Outcome, folder: Path) -> None:
    """Keep an outcome as JSON, in a file of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {**asdict(outcome), "equal": outcome.is_equal, "good": outcome.is_good, "verdict": outcome.verdict}
    text = json.dumps(content, indent=2, ensure_ascii=False, default=str)
    file_of(outcome, folder).write_text(text + "\n")


def show(outcome: Outcome, folder: Path, console: Console) -> None:
    """A row for each table, the first differences, the verdict, and where the whole report is."""
    if outcome.tables:
        console.print(_overview(outcome.tables))
    for table in outcome.tables:
        if table.other_columns:
            console.print(
                f"{table.read_model}.{table.table}: only one has {', '.join(table.other_columns)}", markup=False
            )
        for difference in table.examples[:_EXAMPLES_ON_SCREEN]:
            console.print(_line(table, difference), highlight=False, markup=False, soft_wrap=True)
    console.print(f"{outcome.verdict} The report is in {file_of(outcome, folder)}.", markup=False, soft_wrap=True)


@contextmanager
def progress(console: Console) -> Iterator[Told]:
    """A bar per phase, with rate and time left, to be told how far things are."""
    columns = (TextColumn("{task.description:>15}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bars:
        tasks = {}

        def told(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield told


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        rate = task.finished_speed or task.speed
        return Text(f"{rate:,.0f} facts/s" if rate else "", style="progress.data.speed")


def _overview(tables: Sequence[TableComparison]) -> Table:
    shown = Table(box=None, padding=(0, 1))
    shown.add_column("table", no_wrap=True)
    for column in ("live", "new", "only live", "only new", "differ"):
        shown.add_column(column, justify="right")
    shown.add_column("hash", no_wrap=True)
    for table in tables:
        counts = (table.live_rows, table.new_rows, table.only_live, table.only_new, table.different)
        hashes = dict.fromkeys((table.live_hash[:8], table.new_hash[:8]))
        colour = "green" if table.is_equal else "red"
        name = f"{table.read_model}.{table.table}"
        shown.add_row(name, *(f"{count:,}" for count in counts), "\n".join(hashes), style=colour)
    return shown


def _line(table: TableComparison, difference: Difference) -> str:
    key = ", ".join(f"{column}={value}" for column, value in difference.key.items())
    where = f"{table.read_model}.{table.table} {key}"
    if difference.live is None:
        return f"{where}: only in the new one"
    if difference.new is None:
        return f"{where}: only in the live one"
    changes = (f"{column} {difference.live[column]!r} → {difference.new[column]!r}" for column in difference.live)
    return f"{where}: {', '.join(changes)}"
