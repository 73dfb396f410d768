"""`python -m schemas`: check the records before they reach anybody, and give ids to new ones."""

import typer

from schemas.compatibility import breaks
from schemas.conformity import departures, with_new_ids
from schemas.contracts import read_ids, read_records, write_ids
from schemas.names import EVENTS

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)


@app.command()
def check() -> None:
    """Find what would break a reader: all versions of all records against each other, their ids and the events' classes."""
    records = read_records()
    problems = [*departures(records, read_ids(), EVENTS), *breaks(records)]
    for problem in problems:
        typer.echo(problem, err=True)
    if problems:
        raise typer.Exit(1)
    typer.echo(
        f"{len(EVENTS)} events, {len(records)} records: all are FULL_TRANSITIVE compatible and fit their classes."
    )


@app.command()
def register() -> None:
    """Give each new record its id, in schemas/ids.json. Commit that file with the record."""
    ids = read_ids()
    given = with_new_ids(read_records(), ids)
    write_ids(given)
    for label in sorted(given.keys() - ids.keys()):
        typer.echo(f"{label} has id {given[label].id}")


if __name__ == "__main__":
    app()
