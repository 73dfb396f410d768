"""What the HTTP process reads from its environment."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, HttpUrl, InstanceOf

from vault.keys import MasterKey


def _secrets(text: str) -> tuple[str, ...]:
    """`whsec_…`, or several with commas between while one is rolled."""
    found = tuple(part.strip() for part in text.split(",") if part.strip())
    if not found:
        raise ValueError("names no secret")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings:
    """`url` is where callers reach the service: it stands in the document at /openapi.json and in what newcomers are told.

    `startup_seconds` is how long Postgres is waited for at the start.
    """

    database_url: Annotated[str, Field(alias="DATABASE_URL")]
    master_key: Annotated[InstanceOf[MasterKey], BeforeValidator(MasterKey.parse), Field(alias="TILLSTREAM_MASTER_KEY")]
    operator_token: Annotated[str, Field(alias="TILLSTREAM_OPERATOR_TOKEN", min_length=16)]
    stripe_secret_key: Annotated[str, Field(alias="STRIPE_SECRET_KEY")]
    stripe_webhook_secrets: Annotated[tuple[str, ...], BeforeValidator(_secrets), Field(alias="STRIPE_WEBHOOK_SECRET")]
    stripe_api_base: Annotated[HttpUrl | None, Field(alias="STRIPE_API_BASE")] = None
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
