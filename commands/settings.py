"""What the processes of the write side read from their environment."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, InstanceOf

from eventlog.signatures import SigningKey
from eventlog.topics import TopicSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """Where the store is."""

    database_url: Annotated[str, Field(alias="DATABASE_URL")]


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaSettings(TopicSettings):
    """Where Kafka is, and what its topics must be."""

    bootstrap_servers: Annotated[str, Field(alias="KAFKA_BOOTSTRAP_SERVERS")]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreAndKafkaSettings(KafkaSettings):
    """Where both are."""

    database_url: Annotated[str, Field(alias="DATABASE_URL")]


@dataclass(frozen=True, slots=True, kw_only=True)
class RepublishSettings(StoreAndKafkaSettings):
    """What sends facts reads this; the topics' settings are among it. `service_url` is where readers find the schemas."""

    service_url: Annotated[str, Field(alias="TILLSTREAM_URL", pattern=r"^https?://[^/].*[^/]$")]
    compression: Annotated[Literal["none", "gzip", "snappy", "lz4", "zstd"], Field(alias="KAFKA_COMPRESSION")] = (
        "gzip"  # Not every stock client reads the others.
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherSettings(RepublishSettings):
    """The publisher's environment.

    `signing_key` signs checkpoints, one every `checkpoint_seconds` while anything is published; without it there are none.
    Every `reconcile_seconds` what is new in Kafka is held against the store; 0: never.
    """

    signing_key: Annotated[
        InstanceOf[SigningKey] | None, BeforeValidator(SigningKey.parse), Field(alias="TILLSTREAM_SIGNING_KEY")
    ] = None
    checkpoint_seconds: Annotated[float, Field(alias="TILLSTREAM_CHECKPOINT_SECONDS", gt=0)] = 10.0
    reconcile_seconds: Annotated[float, Field(alias="TILLSTREAM_RECONCILE_SECONDS", ge=0)] = 30.0
    metrics_host: Annotated[str, Field(alias="TILLSTREAM_HOST")] = "127.0.0.1"
    metrics_port: Annotated[int, Field(alias="TILLSTREAM_METRICS_PORT", ge=0, le=65_535)] = 0
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], Field(alias="LOG_LEVEL")] = "INFO"
