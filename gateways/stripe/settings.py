"""What every process that talks to Stripe reads from its environment."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator, Field, HttpUrl

from gateways.stripe.client import StripeGateway
from gateways.stripe.signatures import secrets_of


def _secrets(text: str) -> tuple[str, ...]:
    """`whsec_…`, or several with commas between while one is rolled."""
    found = secrets_of(text)
    if not found:
        raise ValueError("names no secret")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeSettings:
    """Where Stripe is and the secrets shared with it. Without a base it is Stripe itself."""

    stripe_secret_key: Annotated[str, Field(alias="STRIPE_SECRET_KEY")]
    stripe_webhook_secrets: Annotated[tuple[str, ...], BeforeValidator(_secrets), Field(alias="STRIPE_WEBHOOK_SECRET")]
    stripe_api_base: Annotated[HttpUrl | None, Field(alias="STRIPE_API_BASE")] = None

    def gateway(self) -> StripeGateway:
        """The gateway, with its connections; who takes it closes it."""
        base = str(self.stripe_api_base) if self.stripe_api_base else None
        return StripeGateway(self.stripe_secret_key, self.stripe_webhook_secrets, base)
