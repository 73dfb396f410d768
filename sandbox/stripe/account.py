"""One Stripe account in test mode: what every call, page and deed has at hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox.stripe.agenda import Agenda
from sandbox.stripe.billing.terms import BillingTerms, terms_of
from sandbox.stripe.clock import Clock
from sandbox.stripe.deliveries import Deliveries
from sandbox.stripe.disorder import Disorder
from sandbox.stripe.faults import Faults
from sandbox.stripe.idempotency import Idempotency
from sandbox.stripe.limits import Limits
from sandbox.stripe.store import JsonObject, Store

API_VERSION = "2026-10-28.endive"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How one look-alike is set up. Times are real seconds."""

    data: Path
    base_url: str  # Where a browser finds the checkout page
    api_key: str
    webhook_secret: str
    webhook_url: str | None = None
    api_version: str = API_VERSION  # The account's; a request may name another
    retry_minute_seconds: float = 2.0  # How long a minute between two attempts of a webhook lasts here
    settlement_seconds: float = 5.0  # From a bank debit's mandate to its outcome; days at the real Stripe
    booking_seconds: float = 1.0  # From a charge to its balance transaction, from a refund to its bank's reference
    refund_seconds: float = 5.0  # Until a pending refund succeeds, or one that will fail does; days at the real Stripe
    dispute_seconds: float = 2.0  # From a charge to its holder's complaint; weeks at the real Stripe


@dataclass(frozen=True)
class Cause:
    """The API call behind an event; both None when Stripe acted by itself."""

    request_id: str | None = None
    idempotency_key: str | None = None


STRIPE_ITSELF = Cause()


class Account:
    """Objects, clock, agenda, deliveries, answers, faults and limits of one account."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = Store(settings.data)
        self.clock = Clock(self.store)
        self.agenda = Agenda(self.store, self.clock)
        self.deliveries = Deliveries(self.store, settings.retry_minute_seconds)
        self.disorder = Disorder(self.deliveries)
        self.idempotency = Idempotency(self.store, self.clock)
        self.faults = Faults()
        self.limits = Limits()

    @property
    def terms(self) -> BillingTerms:
        return terms_of(self.store)

    def test_clock_of(self, *ids: str | None) -> JsonObject | None:
        """The test clock that the first of these objects that is under one is under: itself, or by its customer."""
        for id in ids:
            found = self.store.find(id) if id else None
            if found is not None and found["object"] == "test_helpers.test_clock":
                return found
            above = found and (found.get("test_clock") or found.get("customer"))
            if isinstance(above, str) and (clock := self.test_clock_of(above)) is not None:
                return clock
        return None

    @contextmanager
    def in_time_of(self, *ids: str | None) -> Iterator[None]:
        """Inside, it is what the test clock of these objects shows; without one nothing changes."""
        clock = self.test_clock_of(*ids)
        if clock is None:
            yield
        else:
            with self.clock.frozen_at(clock["frozen_time"]):
                yield
