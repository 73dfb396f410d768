"""`python -m commands publisher`: the processes of the write side, each with the one function that builds it."""

import os
from typing import Annotated

import typer

from commands.publisher.publisher import Publisher
from commands.publisher.sending import DeliveryFailed
from commands.publisher.tails import AnotherHistory, StoreOlderThanKafka
from commands.settings import PublisherSettings
from eventlog.topics import TopicsMissing, TopicsUnfit
from runtime import logs, metrics, postgres, process
from runtime.kafka import KafkaUnreachable
from runtime.metrics import MetricsPortTaken
from runtime.postgres import PostgresUnreachable
from runtime.process import Stop
from runtime.settings import SettingsInvalid, read
from schemas.cloudevents import ForeignRecord

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


if __name__ == "__main__":
    app()
