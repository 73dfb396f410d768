"""What the read side's tools read from the environment."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from eventlog.topics import TopicSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSettings:
    """Where the tables are, and the store. `startup_seconds` is how long servers are waited for at the start."""

    database_url: Annotated[str, Field(alias="DATABASE_URL")]
    startup_seconds: Annotated[float, Field(alias="TILLSTREAM_STARTUP_SECONDS", gt=0)] = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySettings(TopicSettings):
    """The same for what reads Kafka too, and how its topics are to be. From the store a replay reads most, not all."""

    database_url: Annotated[str, Field(alias="DATABASE_URL")]
    bootstrap_servers: Annotated[str, Field(alias="KAFKA_BOOTSTRAP_SERVERS")]
    startup_seconds: Annotated[float, Field(alias="TILLSTREAM_STARTUP_SECONDS", gt=0)] = 30.0
