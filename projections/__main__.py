"""`python -m projections replay|generations|switch|drop|move`: rebuild read models, compare them, choose which answer."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from psycopg import Connection
from rich.console import Console

from domain.errors import DomainError
from eventlog import topics
from eventlog.history import History
from eventlog.kafka import KafkaLog, open_log
from eventlog.store import StoreLog
from eventlog.topics import TopicsMissing, TopicsUnfit
from projections import as_of, folding, interruptions, lanes, listing, report, switching
from projections.as_of import AsOf
from projections.building import Builder
from projections.catalog import READ_MODELS
from projections.followed import OtherTopics
from projections.moving import AnotherLog, BeginsTooLate, Moving
from projections.one_stream import (
    LookedInto,
    NeverLive,
    NotShownHere,
    OneStream,
    OtherShape,
    StandsElsewhere,
    StreamUnknown,
)
from projections.past import KafkaBehind, Past
from projections.read_model import ReadModel
from projections.replay import From, Replay
from projections.settings import DatabaseSettings, ReplaySettings
from projections.switching import CannotAnswer, GenerationUnknown, StillAnswers
from projections.turns import AnotherReplayRuns
from runtime import kafka, postgres, process, settings
from runtime.kafka import KafkaUnreachable
from runtime.postgres import PostgresUnreachable
from runtime.screen import Screen
from runtime.settings import SettingsInvalid

_REFUSALS = (
    *(
        SettingsInvalid,
        PostgresUnreachable,
        KafkaUnreachable,
        TopicsMissing,
        TopicsUnfit,
        AnotherReplayRuns,
        DomainError,
    ),
    *(OtherTopics, BeginsTooLate, AnotherLog, StandsElsewhere, LookedInto),
    *(StreamUnknown, NotShownHere, NeverLive, OtherShape, KafkaBehind, GenerationUnknown, CannotAnswer, StillAnswers),
)
_NAMES = ", ".join(model.name for model in READ_MODELS)

app = typer.Typer(add_completion=False, no_args_is_help=True, help="The read side's tools.")


def _as_of(text: str) -> AsOf:
    try:
        return as_of.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _model(name: str) -> ReadModel:
    for model in READ_MODELS:
        if model.name == name:
            return model
    raise typer.BadParameter(f"There is no read model {name!r}; there are {_NAMES}.")


@app.command(name="replay")
def replay_command(
    source: Annotated[From, typer.Option(help="Where to read the facts from.", show_default=False)],
    model: Annotated[
        ReadModel | None, typer.Argument(metavar="[NAME]", parser=_model, help=f"One of {_NAMES}.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All read models at once.")] = False,
    moment: Annotated[
        Any,
        typer.Option(
            "--as-of",
            metavar="TIME|POSITION",
            parser=_as_of,
            help="Build generations as of then, to be looked at. Nothing is compared or switched.",
        ),
    ] = None,
    stream: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="Fold one stream anew (pay_…) and compare its rows with the live ones. Nothing is switched.",
        ),
    ] = None,
    accept_differences: Annotated[
        str | None,
        typer.Option(
            metavar="REASON",
            help="Switch even if rows differ, as after a change of a fold; with --stream, put the rebuilt rows in the place"
            " of the live ones. The reason is kept.",
        ),
    ] = None,
    reports: Annotated[Path, typer.Option("--report", metavar="FOLDER", help="Where the report goes.")] = Path(
        ".run/replays"
    ),
) -> None:
    """Build new generations of read models from the log, compare them with the live ones row by row, and switch.

    One that was killed is taken up again where it stood when the same is asked for. Status 0: switched, or everything is
    equal. 1: rows differ or it could not be done; then nothing was changed.
    """
    if (model is None) != every:
        raise typer.BadParameter("Name one read model, or say --all.")
    if accept_differences is not None and not accept_differences.strip():
        raise typer.BadParameter("Say why differences do not matter: --accept-differences REASON.")
    if moment is not None and (stream is not None or accept_differences is not None):
        raise typer.BadParameter("With --as-of nothing is compared: leave --stream and --accept-differences out.")
    models, console = [model] if model else READ_MODELS, Console()
    with _sentences():
        if moment is not None:
            _keep_as_of(models, source, moment, console)
            return
        report.make_folder(reports)
        if stream is not None:
            found: report.Found = _check(models, source, stream, accept_differences, reports, console)
        else:
            found = _replay(models, source, accept_differences, reports, console)
    report.show(found, reports, console)
    raise typer.Exit(0 if found.is_good else 1)


@app.command(name="generations")
def generations_command() -> None:
    """List every generation that there is, and the last switches."""
    with _sentences(), ExitStack() as ends:
        listing.show(_connection(settings.read(DatabaseSettings, os.environ), ends), Console())


@app.command(name="switch")
def switch_command(
    model: Annotated[ReadModel, typer.Argument(metavar="NAME", parser=_model, help=f"One of {_NAMES}.")],
    generation: Annotated[int, typer.Argument(min=1, help="The number of a generation that follows.")],
    reason: Annotated[str, typer.Option(help="Is kept with the switch.")] = "by hand",
) -> None:
    """Let a generation answer that is kept up to date beside the live one: back to the one before a replay, say."""
    with _sentences(), ExitStack() as ends:
        switched = switching.switch(
            _connection(settings.read(DatabaseSettings, os.environ), ends), model, generation, reason
        )
        typer.echo(f"Answering {'from now on' if switched else 'already'}: {model.name}_{generation}.")


@app.command(name="drop")
def drop_command(
    model: Annotated[ReadModel, typer.Argument(metavar="NAME", parser=_model, help=f"One of {_NAMES}.")],
    generation: Annotated[int, typer.Argument(min=1, help="The number of a generation that does not answer.")],
) -> None:
    """Remove a generation, with its tables."""
    with _sentences(), ExitStack() as ends:
        switching.drop(_connection(settings.read(DatabaseSettings, os.environ), ends), model, generation)
        typer.echo(f"Dropped {model.name}_{generation}.")


@app.command(name="move")
def move_command() -> None:
    """Let all read models go on in the topics of this environment, after a republish or the loss of Kafka.

    The topics that they followed need not be there any more. Stop the projectors first, start them with this environment
    afterwards. One that was killed is taken up again by the next.
    """
    console = Console()
    with _sentences(), ExitStack() as ends:
        environment = settings.read(ReplaySettings, os.environ)
        store, connection = StoreLog(_connection(environment, ends)), _folding(environment, ends)
        events = _events(environment, READ_MODELS, ends)
        with Screen(console) as screen:
            moved = Moving(connection, events, store, READ_MODELS, environment.prefix, screen).run()
        if moved is None:
            typer.echo("Nothing is to be moved: the read models follow these topics.")
        else:
            typer.echo(
                f"The read models have seen everything up to position {moved.position:,}, and go on behind it in"
                f" {', '.join(topic.name for topic in moved.after.values())}. Start the projectors with this environment."
            )


# Each of these builds what it needs, runs it, and takes it down again.


def _replay(
    models: Sequence[ReadModel], source: From, accepted: str | None, reports: Path, console: Console
) -> report.Found:
    environment = settings.read(ReplaySettings, os.environ)
    with ExitStack() as ends:
        connection = _connection(environment, ends)
        events = _events(environment, models, ends)
        screen = ends.enter_context(Screen(console))
        builder = _builder(environment, screen, ends)
        keep = partial(report.write, folder=reports)
        return Replay(connection, builder, events, StoreLog(connection), models, screen).run(source, accepted, keep)


def _keep_as_of(models: Sequence[ReadModel], source: From, moment: AsOf, console: Console) -> None:
    environment = _read(source)
    with ExitStack() as ends:
        connection = _connection(environment, ends)
        position = as_of.position_of(History(connection), moment)
        events = _events(environment, models, ends) if isinstance(environment, ReplaySettings) else None
        with Screen(console) as screen:
            builder = _builder(environment, screen, ends)
            kept = Past(connection, builder, events, StoreLog(connection), models, screen).build(position)
        for generation in kept:
            listing.show_kept(connection, generation, position, console)


def _check(
    models: Sequence[ReadModel], source: From, stream: str, accepted: str | None, reports: Path, console: Console
) -> report.Found:
    environment = _read(source)
    with ExitStack() as ends:
        reading, connection = _connection(environment, ends), _folding(environment, ends)
        events = _events(environment, models, ends) if isinstance(environment, ReplaySettings) else None
        screen = ends.enter_context(Screen(console))
        keep = partial(report.write, folder=reports)
        return OneStream(connection, events, History(reading), screen).run(models, stream, accepted, keep)


def _read(source: From) -> DatabaseSettings | ReplaySettings:
    """What is needed to read from there alone."""
    if source == "kafka":
        return settings.read(ReplaySettings, os.environ)
    return settings.read(DatabaseSettings, os.environ)


def _connection(environment: DatabaseSettings | ReplaySettings, ends: ExitStack) -> Connection[Any]:
    """Once Postgres answers."""
    postgres.wait_until_ready(environment.database_url, environment.startup_seconds)
    return ends.enter_context(postgres.connect(environment.database_url, name="replay", autocommit=True))


def _folding(environment: DatabaseSettings | ReplaySettings, ends: ExitStack) -> Connection[Any]:
    """One for folds, where there is another one already."""
    return ends.enter_context(folding.connect(environment.database_url, "replay folding"))


def _builder(environment: DatabaseSettings | ReplaySettings, screen: Screen, ends: ExitStack) -> Builder:
    """One that folds over two connections side by side."""
    return Builder([_folding(environment, ends), _folding(environment, ends)], screen)


def _events(environment: ReplaySettings, models: Sequence[ReadModel], ends: ExitStack) -> KafkaLog:
    """The topics of these read models, once Kafka answers and has them as they must be."""
    servers, prefix = environment.bootstrap_servers, environment.prefix
    kafka.wait_until_ready(servers, environment.startup_seconds)
    topics.check(kafka.admin(servers), environment)
    wanted = sorted({topic for model in models for topic in model.topics})
    events = open_log(servers, wanted, prefix=prefix, group_id=f"{prefix}replay")
    ends.callback(events.close)
    return events


@contextmanager
def _sentences() -> Iterator[None]:
    """What was expected to go wrong ends the command with a sentence and status 1."""
    try:
        yield
    except _REFUSALS as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    except interruptions.EXPECTED as error:
        typer.echo(interruptions.sentence(error), err=True)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    lanes.take_short_turns()
    process.is_built()
    app()
