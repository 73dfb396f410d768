"""`python -m schemas`: check the records before they reach anybody, and give ids to new ones."""

from collections.abc import Iterator

import typer

from schemas import golden
from schemas.compatibility import breaks
from schemas.conformity import departures, with_new_ids
from schemas.contracts import contracts, read_ids, read_records, write_ids
from schemas.names import EVENTS

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)


@app.command()
def check() -> None:
    """Find what would break a reader: all versions of all records against each other, their ids and the events' classes."""
    records = read_records()
    problems = [*departures(records, read_ids(), EVENTS), *breaks(records)] or [*_unlike_golden()]
    for problem in problems:
        typer.echo(problem, err=True)
    if problems:
        raise typer.Exit(1)
    typer.echo(
        f"{len(EVENTS)} events, {len(records)} records: all are FULL_TRANSITIVE"
        " compatible, fit their classes and read their golden values."
    )


@app.command()
def register() -> None:
    """Give each new record its id, in schemas/ids.json, and a golden value beside it. Commit both with the record."""
    ids = read_ids()
    given = with_new_ids(read_records(), ids)
    write_ids(given)
    for label in sorted(given.keys() - ids.keys()):
        typer.echo(f"{label} has id {given[label].id}")
    for contract in contracts().values():
        golden.write(contract)


def _unlike_golden() -> Iterator[str]:
    found = list(contracts().values())
    yield from golden.departures(found, golden.read_all(found))


if __name__ == "__main__":
    app()
