"""What a replay reads from its environment."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from eventlog.topics import TopicSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySettings(TopicSettings):
    """Where the tables are, and the log. From the store a replay reads most, and from Kafka what came since.

    `startup_seconds` is how long both are waited for at the start.
    """

    database_url: Annotated[str, Field(alias="DATABASE_URL")]
    bootstrap_servers: Annotated[str, Field(alias="KAFKA_BOOTSTRAP_SERVERS")]
    startup_seconds: Annotated[float, Field(alias="TILLSTREAM_STARTUP_SECONDS", gt=0)] = 30.0
