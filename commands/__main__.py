"""`python -m commands publisher|verify|republish`: the write side's processes and tools, each with its builder function."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import psycopg
import typer
from psycopg import Connection
from rich.console import Console

from commands.publisher.publisher import Publisher
from commands.publisher.republishing import (
    AnotherRepublishes,
    BegunElsewhere,
    OnlyInKafka,
    PastTheEnd,
    PrefixIsLive,
    Republishing,
    TopicsInUse,
)
from commands.publisher.sending import DeliveryFailed
from commands.publisher.tails import AnotherHistory, StoreOlderThanKafka
from commands.settings import (
    KafkaSettings,
    PublisherSettings,
    RepublishSettings,
    StoreAndKafkaSettings,
    StoreSettings,
)
from eventlog import checkpoints, numbered, publications, topics, verification
from eventlog.checkpoints import CheckpointInvalid, KeysUnreadable
from eventlog.in_order import InOrder
from eventlog.kafka import LogInterrupted, PlaceGone
from eventlog.topics import TopicsMissing, TopicsUnfit
from eventlog.verification import BEGINNING, Checks, Outcome
from runtime import kafka, logs, metrics, postgres, process
from runtime.kafka import KafkaUnreachable
from runtime.leadership import LeadershipLost
from runtime.metrics import MetricsPortTaken
from runtime.postgres import PostgresUnreachable
from runtime.process import Stop
from runtime.screen import Screen
from runtime.settings import SettingsInvalid, read
from schemas.cloudevents import ForeignRecord
from schemas.names import TOPICS

_CANNOT_BE_DONE = (
    *(SettingsInvalid, PostgresUnreachable, KafkaUnreachable, TopicsMissing, TopicsUnfit, LogInterrupted, PlaceGone),
    *(CheckpointInvalid, KeysUnreadable, ForeignRecord, AnotherHistory, StoreOlderThanKafka, DeliveryFailed),
    *(AnotherRepublishes, BegunElsewhere, OnlyInKafka, PastTheEnd, PrefixIsLive, TopicsInUse, LeadershipLost),
)

Source = Literal["store", "kafka", "both"]

app = typer.Typer(add_completion=False, no_args_is_help=True, help="The write side's processes and tools.")


@app.callback()
def _root() -> None:
    pass


@app.command()
def publisher(
    accept_older_store: Annotated[
        str | None,
        typer.Option(metavar="REASON", help="Go on though Kafka holds more than this store. The reason is kept."),
    ] = None,
) -> None:
    """Number what is recorded and publish it to Kafka. One leads; start more as spares."""
    process.run(
        lambda: _publisher(accept_older_store),
        *(SettingsInvalid, PostgresUnreachable, KafkaUnreachable, MetricsPortTaken),
        *(TopicsMissing, TopicsUnfit, ForeignRecord, StoreOlderThanKafka, AnotherHistory, DeliveryFailed),
    )


def _publisher(accepted: str | None) -> None:
    settings = read(PublisherSettings, os.environ)
    logs.configure("publisher", settings.log_level)
    stop = Stop().on_signals()
    metrics.serve(settings.metrics_port, settings.metrics_host)
    postgres.wait_until_ready(settings.database_url)
    Publisher(settings, stop, accepted).run()


@app.command()
def verify(
    source: Annotated[Source, typer.Option(help="What to walk along.")] = "both",
    keys: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            metavar="FILE",
            help="The public keys of signed checkpoints, as served at /checkpoints/keys.  [default: those in the store]",
        ),
    ] = None,
    first: Annotated[
        int,
        typer.Option(
            "--from",
            min=1,
            metavar="POSITION",
            help="With --source kafka: where its topics begin, if they were republished from there on.",
        ),
    ] = 1,
) -> None:
    """Walk along the hash chain of the store, of Kafka, or of both side by side, and name the first position that is wrong.

    Kafka is held against the signed checkpoints too. Status 0: everything is whole. 1: it is not, or it could not be
    walked to the end.
    """
    if first != 1 and source != "kafka":
        raise typer.BadParameter("The store is walked from its beginning: --from needs --source kafka.")
    console = Console()
    with _sentences_for_errors(), Screen(console) as screen:
        outcome = _verify(source, keys, first, screen)
    console.print(_verdict(source, outcome, first), markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(0 if outcome.finding is None else 1)


def _verify(source: Source, keys: Path | None, first: int, screen: Screen) -> Outcome:
    with ExitStack() as ends:
        if source == "store":
            store = _open_store(read(StoreSettings, os.environ), ends)
            return verification.walk_store(store, screen.progress)
        if source == "kafka":
            settings = read(KafkaSettings, os.environ)
            events = _open_kafka(settings, ends)
            return verification.walk_kafka(events, screen.progress, _checks(settings, keys, None, screen), first)
        both = read(StoreAndKafkaSettings, os.environ)
        store, events = _open_store(both, ends), _open_kafka(both, ends)
        return _verify_both(store, events, _checks(both, keys, store, screen), screen)


def _verify_both(store: Connection[Any], events: InOrder, checks: Checks, screen: Screen) -> Outcome:
    """Side by side; the store alone as far as it reaches back before what these topics begin with."""
    begin = publications.reach(store, events.prefix).first - 1
    before = verification.walk_store(store, screen.progress, begin) if begin else Outcome(BEGINNING, None)
    if before.finding is not None:
        return before
    return verification.walk_both(store, events, screen.progress, checks, before.whole_up_to)


@app.command()
def republish(
    first: Annotated[int, typer.Option("--from", min=1, metavar="POSITION", help="The first fact to send; 1 for all.")],
) -> None:
    """Send the facts again to topics under a new KAFKA_TOPIC_PREFIX, which may have another number of partitions.

    What the publisher does is not disturbed. One that was killed goes on where it ended when it is run again. Status 0:
    everything up to the log's end is there. `docs/republishing.md` says how the service and its readers move there.
    """
    console = Console()
    with _sentences_for_errors(), Screen(console) as screen, ExitStack() as ends:
        settings = read(RepublishSettings, os.environ)
        kafka.wait_until_ready(settings.bootstrap_servers)
        store = _open_store(settings, ends, "republish")
        done = Republishing(store, settings, screen.progress).run(first)
    console.print(
        f"Positions {done.first:,} to {done.last:,} are in the topics {done.prefix}… now. What follows is sent by the"
        f" publisher, once it is started with KAFKA_TOPIC_PREFIX={done.prefix}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def _checks(settings: KafkaSettings, file: Path | None, store: Connection[Any] | None, screen: Screen) -> Checks:
    """What was signed, checked with the keys in the file, else with those in the store. With neither, that is said."""
    signed = checkpoints.all_published(settings.bootstrap_servers, settings.prefix)
    if file is not None:
        keys = checkpoints.keys_in(file)
    elif store is not None:
        keys = checkpoints.kept_keys(store)
    else:
        if signed:
            screen.say("The signatures of the checkpoints are not checked: give the public keys with --keys.")
        return Checks(checkpoints.read_own(jws) for jws in signed)
    return Checks(checkpoints.read(jws, keys) for jws in signed)


def _open_store(
    settings: StoreSettings | StoreAndKafkaSettings, ends: ExitStack, name: str = "verify"
) -> Connection[Any]:
    postgres.wait_until_ready(settings.database_url)
    store = ends.enter_context(postgres.connect(settings.database_url, name=name, autocommit=True))
    numbered.prepare(store)
    return store


def _open_kafka(settings: KafkaSettings, ends: ExitStack) -> InOrder:
    kafka.wait_until_ready(settings.bootstrap_servers)
    topics.check(kafka.admin(settings.bootstrap_servers), settings)
    events = InOrder(settings.bootstrap_servers, TOPICS.values(), prefix=settings.prefix)
    ends.callback(events.close)
    return events


def _verdict(source: Source, outcome: Outcome, first: int) -> str:
    position, hash = outcome.whole_up_to
    if outcome.finding is not None:
        return f"{outcome.finding.sentence} Everything up to position {position} is whole."
    where = {"store": "in the store", "kafka": "in Kafka", "both": "in the store and in Kafka, and the same in both"}
    positions = f"{position:,} positions" if first == 1 else f"positions {first:,} to {position:,}"
    return f"Whole {where[source]}: {positions}. The last one has the hash {hash.hex()}."


@contextmanager
def _sentences_for_errors() -> Iterator[None]:
    """A sentence on standard error and status 1 where something cannot be done, or broke off half-way."""
    try:
        yield
    except _CANNOT_BE_DONE as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    except (psycopg.OperationalError, psycopg.errors.UndefinedTable) as error:
        typer.echo(postgres.sentence(error), err=True)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    app()
