"""How long a customer may use what they subscribed to, and what follows from invoices that are not paid."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from domain.subscription.events import Standing, SubscriptionEvent, SubscriptionExpired
from domain.subscription.state import Status, Subscription, Unpaid, newest_of, standing_of

GRACE_ENDED = "grace_ended"
PAYMENT_FAILED = "payment_failed"  # the gateway's own word


def concluded(standing: Standing, unpaid: Mapping[str, Unpaid], grace: timedelta) -> Standing:
    """A standing with what follows from the rest of it and from unpaid invoices, in whichever order they became known."""
    newest_id = newest_of(unpaid)
    newest = unpaid[newest_id] if newest_id else None
    after = replace(
        standing,
        access_until=access_until(standing, unpaid, grace),
        failed_attempts=newest.attempts if newest else 0,
        next_attempt_at=newest.retry_at if newest else None,
        action_required=newest.awaits_customer if newest else False,
    )
    return _revived(after) if _began_anew(standing, after) else after


def access_until(standing: Standing, unpaid: Mapping[str, Unpaid], grace: timedelta) -> datetime | None:
    """When access ends: with the subscription, or one grace period after what was paid for. None while no end is in sight."""
    status = Status(standing.stated_status)
    failed = standing.end_reason == PAYMENT_FAILED
    ends = None
    if status.owing or failed or (status.ended and unpaid):
        paid_until = min((invoice.period_start for invoice in unpaid.values()), default=standing.current_period_start)
        ends = paid_until + grace
    if failed:
        return (
            ends  # The grace period goes on after a gateway that gave up at once, and was over before one that did not.
        )
    planned = standing.ended_at if status.ended else standing.cancel_at
    return min((end for end in (ends, planned) if end is not None), default=None)


def _began_anew(before: Standing, after: Standing) -> bool:
    """Whether the grace period that was over is not the one that counts any more: what is owed is owed since later."""
    if before.end_reason != GRACE_ENDED or before.access_until is None:
        return False
    return after.access_until is None or after.access_until > before.access_until


def _revived(standing: Standing) -> Standing:
    return replace(standing, status=standing.stated_status, end_reason=None)


def lapse(subscription: Subscription, now: datetime) -> list[SubscriptionEvent]:
    """End a grace period that is over, though the gateway may still be paid."""
    ends = subscription.standing.access_until
    if not subscription.status.owing or ends is None or now < ends:
        return []
    over = replace(subscription.standing, status=Status.EXPIRED.value, end_reason=GRACE_ENDED)
    return [SubscriptionExpired(**standing_of(over))]
