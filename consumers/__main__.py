"""`python -m consumers projector|reconciler|reactions|parked`: the processes behind the API, each with its builder function."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import typer

from commands.missed import PostgresMarks
from commands.notices import PostgresNotices
from commands.open_requests import PostgresOpenRequests
from commands.store.postgres import PostgresStore
from consumers import parked
from consumers.projector import Projector
from consumers.reactions import Reactions, follow
from consumers.reconciler import Reconciler, lead
from consumers.settings import ProjectorSettings, ReactionsSettings, ReconcilerSettings
from consumers.user_events import UserEvents
from eventlog import topics
from eventlog.kafka import PlaceGone, open_log
from eventlog.topics import TopicsMissing, TopicsUnfit
from projections import folding
from projections.catalog import READ_MODELS
from projections.followed import OtherTopics
from projections.isolation import ReadModelBroken
from runtime import kafka, logs, metrics, postgres, process
from runtime.kafka import KafkaUnreachable
from runtime.metrics import MetricsPortTaken
from runtime.postgres import PostgresUnreachable
from runtime.process import Stop
from runtime.settings import SettingsInvalid, read
from schemas.cloudevents import ForeignRecord
from schemas.codec import SchemaUnknown
from schemas.names import TOPICS
from vault.keys import LocalKeyWrapper
from vault.records import PostgresVault

_FOLD_WITHIN_SECONDS = 30.0  # Many times what one batch takes: a projector that hangs in one is relieved of its locks.
_TOPICS_WITHIN_SECONDS = 30.0  # The publisher creates them, and may have been started at the same moment.

app = typer.Typer(add_completion=False, no_args_is_help=True, help="The processes behind the API.")


app.add_typer(parked.app, name="parked")


@app.callback()
def _root() -> None:
    pass


@app.command()
def projector() -> None:
    """Keep the read models up to date with the topics. Start as many as you like, up to the number of partitions."""
    process.run(
        _projector,
        *(SettingsInvalid, PostgresUnreachable, KafkaUnreachable, MetricsPortTaken),
        *(TopicsMissing, TopicsUnfit, OtherTopics, PlaceGone, ForeignRecord, SchemaUnknown, ReadModelBroken),
    )


def _projector() -> None:
    settings = read(ProjectorSettings, os.environ)
    logs.configure("projector", settings.log_level)
    stop = Stop().on_signals()
    metrics.serve(settings.metrics_port, settings.metrics_host)
    postgres.wait_until_ready(settings.database_url)
    kafka.wait_until_ready(settings.bootstrap_servers)
    topics.check(kafka.admin(settings.bootstrap_servers), settings, _TOPICS_WITHIN_SECONDS)
    events = open_log(
        settings.bootstrap_servers, TOPICS.values(), prefix=settings.prefix, group_id=f"{settings.prefix}projector"
    )
    connect = partial(folding.connect, settings.database_url, "projector", _FOLD_WITHIN_SECONDS)
    Projector(events, READ_MODELS, connect, stop).run()


@app.command()
def reconciler() -> None:
    """Find what is still open between us and the gateway, and end it. One leads; start more as spares."""
    process.run(_reconciler, SettingsInvalid, PostgresUnreachable, MetricsPortTaken)


def _reconciler() -> None:
    settings = read(ReconcilerSettings, os.environ)
    logs.configure("reconciler", settings.log_level)
    stop = Stop().on_signals()
    metrics.serve(settings.metrics_port, settings.metrics_host)
    postgres.wait_until_ready(settings.database_url)
    lead(partial(_reconciler_on, settings), settings.database_url, stop)


@asynccontextmanager
async def _reconciler_on(settings: ReconcilerSettings) -> AsyncIterator[Reconciler]:
    async with AsyncExitStack() as closing:
        pool = postgres.pool(settings.database_url, name="reconciler", size=4)
        await pool.open()
        closing.push_async_callback(pool.close)
        store = PostgresStore(pool)
        closing.push_async_callback(store.close)
        gateway = settings.gateway(pool).in_background()
        closing.push_async_callback(gateway.close)
        vault = PostgresVault(pool, LocalKeyWrapper(settings.master_key))
        yield Reconciler(store, gateway, vault, PostgresNotices(pool), PostgresOpenRequests(pool), PostgresMarks(pool))


@app.command()
def reactions() -> None:
    """React to what the owner of the users tells of them. Start as many as you like, up to the topic's partitions."""
    process.run(_reactions, SettingsInvalid, PostgresUnreachable, KafkaUnreachable, MetricsPortTaken)


def _reactions() -> None:
    settings = read(ReactionsSettings, os.environ)
    logs.configure("reactions", settings.log_level)
    stop = Stop().on_signals()
    metrics.serve(settings.metrics_port, settings.metrics_host)
    postgres.wait_until_ready(settings.database_url)
    kafka.wait_until_ready(settings.bootstrap_servers)
    consumer = kafka.consumer(
        settings.bootstrap_servers,
        group_id=f"{settings.prefix}reactions",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=6_000,  # As the projector's: where one is killed, its users do not wait for long.
        heartbeat_interval_ms=500,
        topic_metadata_refresh_interval_ms=5_000,  # The topic may be made after we have begun to look for it.
    )
    follow(consumer, settings.users_topic, partial(_reactions_on, settings), stop)


@asynccontextmanager
async def _reactions_on(settings: ReactionsSettings) -> AsyncIterator[Reactions]:
    async with AsyncExitStack() as closing:
        pool = postgres.pool(settings.database_url, name="reactions", size=4)
        await pool.open()
        closing.push_async_callback(pool.close)
        store = PostgresStore(pool)
        closing.push_async_callback(store.close)
        gateway = settings.gateway(pool).in_background()
        closing.push_async_callback(gateway.close)
        vault = PostgresVault(pool, LocalKeyWrapper(settings.master_key))
        yield Reactions(store, gateway, vault, UserEvents(settings.users_registry_url))


if __name__ == "__main__":
    app()
