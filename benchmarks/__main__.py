"""`python -m benchmarks [ROW …]`: measure rows of the table, all but those that take long unless some are named."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import (
    appending,
    arriving,
    batching,
    beside_replay,
    commanding,
    loading,
    long_rebuild,
    pgbench,
    publishing,
    rebuilding,
    recording,
    report,
    rounds,
    status,
    visibility,
)
from benchmarks.rounds import CLAIMABLE_ROUNDS, Result
from benchmarks.row import Row
from benchmarks.servers import Servers, started
from sandbox.errors import SandboxError

ROWS: tuple[Row, ...] = (
    commanding.COMMANDS,
    pgbench.ROW,
    commanding.SPENDING,
    appending.ROW,
    appending.GROUPING,
    loading.ROW,
    recording.ROW,
    publishing.AS_IT_COMES,
    publishing.UNCOMPRESSED,
    rebuilding.ROW,
    batching.ROW,
    visibility.IDLE,
    visibility.BUSY,
    status.ROW,
    arriving.BROKER,
    arriving.ROW,
    beside_replay.ROW,
    long_rebuild.ROW,
)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def measure(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[ROW]...", help=f"Some of {', '.join(row.name for row in ROWS)}.")
    ] = None,
    how_many: Annotated[
        int, typer.Option("--rounds", min=1, help="How often each side is measured.")
    ] = CLAIMABLE_ROUNDS,
    share: Annotated[float, typer.Option(min=0.01, max=10, help="A share of the full size, for trying out.")] = 1.0,
    folder: Annotated[Path, typer.Option(help="Where results and logs go.")] = Path(".run/bench"),
) -> None:
    """Measure the service beside what its machine can do at best: ratios of runs side by side, in rounds."""
    chosen = _chosen(names or [])
    console, where = Console(), report.Circumstances.now()
    try:
        with started(folder / "logs", console.print) as servers:
            results = _measure(chosen, servers, how_many, share, console)
    except SandboxError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    console.print(report.table(results, how_many))
    for file in report.write(results, where, how_many, share, folder):
        console.print(str(file), highlight=False)


def _chosen(names: Sequence[str]) -> Sequence[Row]:
    if unknown := set(names) - {row.name for row in ROWS}:
        raise typer.BadParameter(
            f"There is no row {', '.join(sorted(unknown))}; there are {', '.join(row.name for row in ROWS)}."
        )
    return [row for row in ROWS if (row.name in names if names else not row.takes_long)]


def _measure(chosen: Sequence[Row], servers: Servers, how_many: int, share: float, console: Console) -> list[Result]:
    results: list[Result] = []
    columns = (TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        for row in chosen:
            warm_up = not row.takes_long
            task = progress.add_task(row.name, total=how_many + warm_up)
            with row.prepare(servers, share) as sides:
                measured = rounds.run(sides, how_many, partial(progress.advance, task), warm_up=warm_up)
            of_row = rounds.results(row, measured)
            for result in of_row:
                console.print(report.line(result), highlight=False)
            results += of_row
    return results


if __name__ == "__main__":
    app()
