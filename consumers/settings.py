"""What the processes behind the API read from their environment."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, InstanceOf

from eventlog.topics import TopicSettings
from gateways.stripe.settings import StripeSettings
from vault.keys import MasterKey


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectorSettings(TopicSettings):
    """The projector's environment; the topics' settings are among it, for it starts only on topics that are as they must be."""

    database_url: Annotated[str, Field(alias="DATABASE_URL")]
    bootstrap_servers: Annotated[str, Field(alias="KAFKA_BOOTSTRAP_SERVERS")]
    metrics_host: Annotated[str, Field(alias="TILLSTREAM_HOST")] = "127.0.0.1"
    metrics_port: Annotated[int, Field(alias="TILLSTREAM_METRICS_PORT", ge=0, le=65_535)] = 0
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], Field(alias="LOG_LEVEL")] = "INFO"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReactionsSettings(StripeSettings):
    """The reactions' environment. The topic is its owner's: nothing of ours makes it or checks its settings."""

    database_url: Annotated[str, Field(alias="DATABASE_URL")]
    bootstrap_servers: Annotated[str, Field(alias="KAFKA_BOOTSTRAP_SERVERS")]
    users_topic: Annotated[str, Field(alias="KAFKA_USERS_TOPIC", pattern=r"^[A-Za-z0-9._-]{1,249}$")] = "users"
    users_registry_url: Annotated[
        str | None, Field(alias="USERS_SCHEMA_REGISTRY_URL", pattern=r"^https?://[^/].*[^/]$")
    ] = None
    prefix: Annotated[str, Field(alias="KAFKA_TOPIC_PREFIX")] = "tillstream."
    master_key: Annotated[InstanceOf[MasterKey], BeforeValidator(MasterKey.parse), Field(alias="TILLSTREAM_MASTER_KEY")]
    metrics_host: Annotated[str, Field(alias="TILLSTREAM_HOST")] = "127.0.0.1"
    metrics_port: Annotated[int, Field(alias="TILLSTREAM_METRICS_PORT", ge=0, le=65_535)] = 0
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], Field(alias="LOG_LEVEL")] = "INFO"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcilerSettings(StripeSettings):
    """The reconciler's environment. It asks Stripe and opens what the vault keeps; it needs no Kafka."""

    database_url: Annotated[str, Field(alias="DATABASE_URL")]
    master_key: Annotated[InstanceOf[MasterKey], BeforeValidator(MasterKey.parse), Field(alias="TILLSTREAM_MASTER_KEY")]
    metrics_host: Annotated[str, Field(alias="TILLSTREAM_HOST")] = "127.0.0.1"
    metrics_port: Annotated[int, Field(alias="TILLSTREAM_METRICS_PORT", ge=0, le=65_535)] = 0
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], Field(alias="LOG_LEVEL")] = "INFO"
