"""What a replay reads from its environment."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySettings:
    """Where the tables are, and the log. From the store a replay reads most, and from Kafka what came since."""

    database_url: Annotated[str, Field(alias="DATABASE_URL")]
    bootstrap_servers: Annotated[str, Field(alias="KAFKA_BOOTSTRAP_SERVERS")]
    prefix: Annotated[str, Field(alias="KAFKA_TOPIC_PREFIX", pattern=r"^[a-zA-Z0-9._-]{1,200}$")] = "tillstream."
