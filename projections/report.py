"""What a replay found: on the screen, and kept in two files, one for people and one for programs."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, NamedTuple, Protocol, cast

from rich.console import Console
from rich.table import Table

from projections.comparison import Difference, Sums, TableComparison

_EXAMPLES_ON_SCREEN = 5
_BOOKKEEPING = frozenset({"version", "position"})
_WIDE = 200  # Columns of the file for people, so that nothing in it is broken in two.


class Found(Protocol):
    """What a replay came to, as far as it is reported. A dataclass, for all of it goes into the JSON."""

    @property
    def began_at(self) -> datetime: ...

    @property
    def tables(self) -> Sequence[TableComparison]: ...

    @property
    def name(self) -> str:
        """What its files are called, behind the time."""
        ...

    @property
    def heading(self) -> str: ...

    @property
    def verdict(self) -> str: ...

    @property
    def is_equal(self) -> bool: ...

    @property
    def is_good(self) -> bool: ...


class ReportUnwritable(Exception):
    """There is no place for a report."""

    def __init__(self, folder: Path, error: OSError) -> None:
        super().__init__(
            f"No report can be written to {folder} ({error.strerror}). Make room there, or name another folder with --report."
        )


class Files(NamedTuple):
    """A report as it is kept: `text` is what the screen shows, with every difference that was noted; `data` is JSON."""

    text: Path
    data: Path


def files_of(found: Found, folder: Path) -> Files:
    """Where it is kept: `<folder>/20260301T020000Z-payments.txt` and `.json`."""
    stem = f"{found.began_at:%Y%m%dT%H%M%S%fZ}-{found.name}"
    return Files(folder / f"{stem}.txt", folder / f"{stem}.json")


def make_folder(folder: Path) -> None:
    """See, before anything is done, that there will be a place for a report. Raises `ReportUnwritable`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ReportUnwritable(folder, error) from error


def write(found: Found, folder: Path) -> Files:
    """Keep what was found in files of its own. Raises `ReportUnwritable`."""
    files = files_of(found, folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files.data.write_text(json.dumps(_as_json(found), indent=2, ensure_ascii=False, default=str) + "\n")
        with files.text.open("w") as file:
            _print(found, Console(file=file, width=_WIDE), examples=None)
    except OSError as error:
        raise ReportUnwritable(folder, error) from error
    return files


def show(found: Found, folder: Path, console: Console) -> None:
    """A row for each table, sums, the first differences, the verdict, and where the whole report is."""
    _print(found, console, _EXAMPLES_ON_SCREEN)
    text, data = files_of(found, folder)
    _say(console, f"The report is in {text}, for programs in {data}.")


def _as_json(found: Found) -> dict[str, Any]:
    content = {**asdict(cast(Any, found)), "equal": found.is_equal, "good": found.is_good, "verdict": found.verdict}
    for table in content["tables"]:
        table["sums"] = {column: sums._asdict() for column, sums in table["sums"].items()}
    return content


def _print(found: Found, console: Console, examples: int | None) -> None:
    _say(console, found.heading)
    if found.tables:
        console.print(_overview(found.tables))
    for table in found.tables:
        for line in _about(table, examples):
            _say(console, line)
    _say(console, found.verdict)


def _say(console: Console, sentence: str) -> None:
    console.print(sentence, highlight=False, markup=False, soft_wrap=True)


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
        shown.add_row(_name(table), *(f"{count:,}" for count in counts), "\n".join(hashes), style=colour)
    return shown


def _about(table: TableComparison, examples: int | None) -> Iterator[str]:
    """Sums, and then the differences by their keys, as many of them as are wanted."""
    if sums := [f"{column} {_sum(*sums)}" for column, sums in table.sums.items() if _says_something(column, sums)]:
        yield f"{_name(table)} in all: {', '.join(sums)}"
    if table.other_columns:
        yield f"{_name(table)}: only one has {', '.join(table.other_columns)}"
    shown = table.examples[:examples]
    yield from (_difference(table, difference) for difference in shown)
    if more := table.differences - len(shown):
        yield f"{_name(table)}: {more:,} more rows are not the same"


def _says_something(column: str, sums: Sums) -> bool:
    """To people: where rows came from is summed up for programs only."""
    return sums != (None, None) and (column not in _BOOKKEEPING or not sums.is_equal)


def _sum(live: Any, new: Any) -> str:
    both = [f"{total:,}" if total is not None else "none" for total in (live, new)]
    return " → ".join(dict.fromkeys(both))


def _difference(table: TableComparison, difference: Difference) -> str:
    key = ", ".join(f"{column}={value}" for column, value in difference.key.items())
    where = f"{_name(table)} {key}"
    if difference.live is None:
        return f"{where}: only in the new one"
    if difference.new is None:
        return f"{where}: only in the live one"
    changes = (f"{column} {difference.live[column]!r} → {difference.new[column]!r}" for column in difference.live)
    return f"{where}: {', '.join(changes)}"


def _name(table: TableComparison) -> str:
    return f"{table.read_model}.{table.table}"
