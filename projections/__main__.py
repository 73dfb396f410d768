"""`python -m projections replay NAME|--all --source kafka|store`: rebuild read models beside the live ones, compare, switch."""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from eventlog import topics
from eventlog.kafka import open_log
from eventlog.store import StoreLog
from eventlog.topics import TopicsMissing, TopicsUnfit
from projections import folding, interruptions, report
from projections.catalog import READ_MODELS
from projections.read_model import ReadModel
from projections.replay import From, Outcome, Replay
from projections.screen import Screen
from projections.settings import ReplaySettings
from projections.turns import AnotherReplayRuns
from runtime import kafka, postgres, settings
from runtime.kafka import KafkaUnreachable
from runtime.postgres import PostgresUnreachable
from runtime.settings import SettingsInvalid

_REFUSALS = (SettingsInvalid, PostgresUnreachable, KafkaUnreachable, TopicsMissing, TopicsUnfit, AnotherReplayRuns)

app = typer.Typer(add_completion=False, no_args_is_help=True, help="The read side's tools.")


@app.callback()
def _root() -> None:
    pass


@app.command(name="replay")
def replay_command(
    source: Annotated[From, typer.Option(help="Where to read the facts from.", show_default=False)],
    name: Annotated[
        str | None, typer.Argument(help=f"One of {', '.join(model.name for model in READ_MODELS)}.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All read models at once.")] = False,
    accept_differences: Annotated[
        str | None,
        typer.Option(
            metavar="REASON", help="Switch even if rows differ, as after a change of a fold. The reason is kept."
        ),
    ] = None,
    reports: Annotated[Path, typer.Option("--report", metavar="FOLDER", help="Where the report goes.")] = Path(
        ".run/replays"
    ),
) -> None:
    """Build new generations of read models from the log, compare them with the live ones row by row, and switch.

    One that was killed is taken up again where it stood when the same is asked for. Status 0: switched. 1: rows differ or
    it could not be done; nothing was switched.
    """
    models = _chosen(name, every)
    if accept_differences is not None and not accept_differences.strip():
        raise typer.BadParameter("Say why differences do not matter: --accept-differences REASON.")
    console = Console()
    try:
        outcome = _replay(models, source, accept_differences, reports, console)
    except _REFUSALS as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    except interruptions.EXPECTED as error:
        typer.echo(interruptions.sentence(error), err=True)
        raise typer.Exit(1) from error
    report.show(outcome, reports, console)
    raise typer.Exit(0 if outcome.is_good else 1)


def _replay(
    models: Sequence[ReadModel], source: From, accepted: str | None, reports: Path, console: Console
) -> Outcome:
    environment = settings.read(ReplaySettings, os.environ)
    url, servers, prefix = environment.database_url, environment.bootstrap_servers, environment.prefix
    postgres.wait_until_ready(url, environment.startup_seconds)
    kafka.wait_until_ready(servers, environment.startup_seconds)
    topics.check(kafka.admin(servers), environment)
    with ExitStack() as ends:
        connection = ends.enter_context(folding.connect(url, "replay"))
        store = StoreLog(ends.enter_context(postgres.connect(url, name="replay reading", autocommit=True)))
        wanted = sorted({topic for model in models for topic in model.topics})
        events = open_log(servers, wanted, prefix=prefix, group_id=f"{prefix}replay")
        ends.callback(events.close)
        screen = ends.enter_context(Screen(console))
        return Replay(connection, events, store, models, screen).run(
            source, accepted, partial(report.write, folder=reports)
        )


def _chosen(name: str | None, every: bool) -> Sequence[ReadModel]:
    if (name is None) != every:
        raise typer.BadParameter("Name one read model, or say --all.")
    chosen = [model for model in READ_MODELS if every or model.name == name]
    if not chosen:
        raise typer.BadParameter(
            f"There is no read model {name!r}; there are {', '.join(m.name for m in READ_MODELS)}."
        )
    return chosen


if __name__ == "__main__":
    app()
