"""What the HTTP process reads from its environment."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, HttpUrl, InstanceOf

from gateways.stripe.settings import StripeSettings
from vault.keys import MasterKey


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings(StripeSettings):
    """`url` is where callers reach the service: it stands in the document at /openapi.json and in what newcomers are told.

    `startup_seconds` is how long Postgres is waited for at the start.
    """

    database_url: Annotated[str, Field(alias="DATABASE_URL")]
    master_key: Annotated[InstanceOf[MasterKey], BeforeValidator(MasterKey.parse), Field(alias="TILLSTREAM_MASTER_KEY")]
    operator_token: Annotated[str, Field(alias="TILLSTREAM_OPERATOR_TOKEN", min_length=16)]
    host: Annotated[str, Field(alias="TILLSTREAM_HOST")] = "127.0.0.1"
    port: Annotated[int, Field(alias="TILLSTREAM_PORT", ge=1, le=65535)] = 8000
    url: Annotated[HttpUrl | None, Field(alias="TILLSTREAM_URL")] = None
    topic_prefix: Annotated[str, Field(alias="KAFKA_TOPIC_PREFIX")] = "tillstream."
    startup_seconds: Annotated[float, Field(alias="TILLSTREAM_STARTUP_SECONDS", gt=0)] = 30.0
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], Field(alias="LOG_LEVEL")] = "INFO"

    @property
    def address(self) -> str:
        """Where callers reach the service, without a slash at the end."""
        return str(self.url).rstrip("/") if self.url else f"http://{self.host}:{self.port}"
