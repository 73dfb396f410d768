"""Use is recorded once, then the gateway counts it or refuses to."""

from datetime import datetime, timedelta

from domain.usage.errors import IdentifierReused, UsedInFuture, UsedTooLongAgo
from domain.usage.events import UsageEvent, UsageRecorded, UsageRejected, UsageReported
from domain.usage.state import Usage

# Stripe's limits: docs.stripe.com/billing/subscriptions/usage-based/recording-usage-api, "Event timestamps".
OLDEST = timedelta(days=35)
NEWEST = timedelta(minutes=5)


def check_time(used_at: datetime, now: datetime) -> None:
    """Refuse what the gateway would not count any more, or not yet. Raises `UsedTooLongAgo`, `UsedInFuture`."""
    if used_at < now - OLDEST:
        raise UsedTooLongAgo(used_at, now - OLDEST)
    if used_at > now + NEWEST:
        raise UsedInFuture(used_at, now)


def repeats(usage: Usage, *, user_id: str, product_id: str, quantity: int, used_at: datetime | None) -> None:
    """Make sure that this says of it what was recorded; without a time, whenever it was. Raises `IdentifierReused`."""
    known = usage.recorded
    same = (known.user_id, known.product_id, known.quantity) == (user_id, product_id, quantity)
    if not same or used_at not in (None, known.used_at):
        raise IdentifierReused(known)


def record(usage: Usage | None, recorded: UsageRecorded) -> list[UsageEvent]:
    """Take note of what was used. The same again changes nothing. Raises `IdentifierReused`."""
    if usage is None:
        return [recorded]
    repeats(
        usage,
        user_id=recorded.user_id,
        product_id=recorded.product_id,
        quantity=recorded.quantity,
        used_at=recorded.used_at,
    )
    return []


def report(usage: Usage) -> list[UsageEvent]:
    """The gateway has counted it, now or before."""
    return [] if usage.ended else [UsageReported(usage_id=usage.recorded.usage_id)]


def reject(usage: Usage, code: str, reason: str) -> list[UsageEvent]:
    """It will not be billed. What was reported stays so."""
    return [] if usage.ended else [UsageRejected(usage_id=usage.recorded.usage_id, code=code, reason=reason)]
