"""`python -m consumers parked list|retry|skip`: what stands still in the read models, and what an operator does about it."""

import getpass
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import psycopg
import typer
from psycopg import Connection
from rich.console import Console
from rich.table import Table

from eventlog.store import FactUnreadable
from projections import catalog, folding, parking
from projections.catalog import READ_MODELS, ReadModelUnknown
from projections.parking import Decided, Decision, NotParked, ParkedKey
from projections.read_model import ReadModel
from projections.settings import DatabaseSettings
from runtime import postgres, settings
from runtime.postgres import PostgresUnreachable
from runtime.settings import SettingsInvalid
from schemas.codec import SchemaUnknown

_REFUSALS = (SettingsInvalid, PostgresUnreachable, ReadModelUnknown, NotParked, FactUnreadable, SchemaUnknown)
_DECISIONS = 10  # So many are listed.

app = typer.Typer(no_args_is_help=True, help="What stands still in the read models, and how it goes on.")

Name = Annotated[
    str, typer.Argument(metavar="NAME", help=f"One of {', '.join(m.name for m in READ_MODELS)}.", show_default=False)
]
By = Annotated[str, typer.Option(metavar="NAME", help="Who decides; the user of this machine, unless said.")]


@app.command(name="list")
def show() -> None:
    """What is parked, the oldest first, and what was decided lately."""
    with _connected() as connection:
        _show(parking.parked(connection, READ_MODELS), parking.decided(connection, _DECISIONS), Console())


@app.command()
def retry(
    name: Name,
    stream: Annotated[str | None, typer.Argument(metavar="[STREAM]", help="As `list` shows it.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Everything that is parked in this read model.")] = False,
    reason: Annotated[str, typer.Option(metavar="WHY", help="Kept with your name.")] = "",
    by: By = "",
) -> None:
    """Apply what waits, now that the cause is mended. Status 1 where some still cannot be applied."""
    if (stream is None) != every:
        raise typer.BadParameter("Name one stream, or say --all.")
    decision = Decision("retry", by or getpass.getuser(), reason)
    with _connected() as connection:
        model = catalog.named(name)
        parked = {key.stream for key in parking.parked(connection, [model])}
        _decide(connection, model, sorted(parked) if stream is None else [stream], decision)


@app.command()
def skip(
    name: Name,
    stream: Annotated[str, typer.Argument(metavar="STREAM", help="As `list` shows it.")],
    reason: Annotated[str, typer.Option(metavar="WHY", help="Kept with your name.", show_default=False)],
    by: By = "",
) -> None:
    """Leave out, for ever, the event at which a stream stands still, and apply what waits behind it.

    Every replay leaves it out as well. The event itself stays in the log: only this read model does not show it.
    """
    if not reason.strip():
        raise typer.BadParameter("Say why this event is to be left out: --reason WHY.")
    with _connected() as connection:
        _decide(connection, catalog.named(name), [stream], Decision("skip", by or getpass.getuser(), reason))


@contextmanager
def _connected() -> Iterator[Connection[Any]]:
    """A connection for folds. What is expected to go wrong ends the process with a sentence and status 1."""
    try:
        given = settings.read(DatabaseSettings, os.environ)
        postgres.wait_until_ready(given.database_url, given.startup_seconds)
        with folding.connect(given.database_url, "parked") as connection:
            yield connection
    except _REFUSALS as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    except (psycopg.OperationalError, psycopg.errors.UndefinedTable) as error:
        typer.echo(postgres.sentence(error), err=True)
        raise typer.Exit(1) from error


def _decide(connection: Connection[Any], model: ReadModel, streams: Sequence[str], decision: Decision) -> None:
    outcomes = [
        (generation, stream, outcome)
        for stream in streams
        for generation, outcome in parking.decide(connection, model, stream, decision).items()
    ]
    for generation, stream, outcome in outcomes:
        typer.echo(f"{generation.schema} {stream}: {outcome.sentence}")
    if not outcomes:
        typer.echo(f"Nothing of {model.name} is parked.")
    if not all(outcome.goes_on for *_, outcome in outcomes):
        raise typer.Exit(1)


def _show(keys: Sequence[ParkedKey], decisions: Sequence[Decided], console: Console) -> None:
    if not keys:
        console.print("Nothing is parked.")
    else:
        table = Table("read model", "stream", "at position", "waiting", "since", "tries", "error", box=None)
        for key in keys:
            since = f"{key.parked_at:%Y-%m-%d %H:%M:%S}"
            numbers = (str(key.position), str(key.waiting), since, str(key.tries))
            table.add_row(key.schema, key.stream, *numbers, key.error)
        console.print(table)
    for each in decisions:
        what = f"{each.decision} of {each.read_model} {each.stream} at position {each.position}"
        line = f"{each.decided_at:%Y-%m-%d %H:%M:%S} {each.decided_by}: {what}. {each.outcome} {each.reason}".rstrip()
        console.print(line, markup=False, highlight=False, soft_wrap=True)
