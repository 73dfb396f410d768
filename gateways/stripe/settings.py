"""What every process that talks to Stripe reads from its environment."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator, Field, HttpUrl

from gateways.calls import SharedCalls, Unlimited
from gateways.stripe.client import StripeGateway
from gateways.stripe.signatures import secrets_of
from runtime.postgres import Pool

STRIPE_HOST = "api.stripe.com"
CALLS_LIVE = 100
CALLS_IN_SANDBOX = 25
REPORTS_LIVE = (
    1000  # docs.stripe.com/billing/subscriptions/usage-based/recording-usage-api; in a sandbox they count as all do.
)


def _secrets(text: str) -> tuple[str, ...]:
    """`whsec_…`, or several with commas between while one is rolled."""
    found = secrets_of(text)
    if not found:
        raise ValueError("names no secret")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeSettings:
    """Where Stripe is, the secrets shared with it, and how many calls the account takes. Without a base it is Stripe itself."""

    stripe_secret_key: Annotated[str, Field(alias="STRIPE_SECRET_KEY")]
    stripe_webhook_secrets: Annotated[tuple[str, ...], BeforeValidator(_secrets), Field(alias="STRIPE_WEBHOOK_SECRET")]
    stripe_api_base: Annotated[HttpUrl | None, Field(alias="STRIPE_API_BASE")] = None

    stripe_calls_per_second: Annotated[int | None, Field(alias="STRIPE_CALLS_PER_SECOND", ge=5)] = None

    @property
    def calls_per_second(self) -> int | None:
        """What is set, else what Stripe takes (docs.stripe.com/rate-limits); None: a look-alike, which takes any number."""
        if self.stripe_calls_per_second is not None:
            return self.stripe_calls_per_second
        if self.stripe_api_base is not None and self.stripe_api_base.host != STRIPE_HOST:
            return None
        return CALLS_LIVE if "_live_" in self.stripe_secret_key else CALLS_IN_SANDBOX

    def gateway(self, pool: Pool) -> StripeGateway:
        """The gateway, with its connections; who takes it closes it. Its calls are counted where `pool` leads."""
        base = str(self.stripe_api_base) if self.stripe_api_base else None
        limit = self.calls_per_second
        calls = Unlimited() if limit is None else SharedCalls(pool, StripeGateway.name, limit)
        metering = SharedCalls(pool, f"{StripeGateway.name} usage", REPORTS_LIVE) if self._counts_usage_apart else None
        return StripeGateway(self.stripe_secret_key, self.stripe_webhook_secrets, base, calls=calls, metering=metering)

    @property
    def _counts_usage_apart(self) -> bool:
        return self.calls_per_second is not None and "_live_" in self.stripe_secret_key
