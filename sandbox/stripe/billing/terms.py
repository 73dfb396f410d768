"""How the account bills: what Stripe's Dashboard has switches for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sandbox.stripe.errors import StripeRefusal
from sandbox.stripe.store import Store

NOTE = "billing_terms"
AFTER_RETRIES = ("cancel", "unpaid", "past_due")


@dataclass(frozen=True, kw_only=True)
class BillingTerms:
    """When a failed invoice is tried again, and what a subscription comes to when no attempt is left.

    Stripe chooses the times of its retries itself and publishes none of them; here they stand fixed.
    """

    draft_seconds: int = 3600  # How long a renewal's invoice is a draft
    retry_days: tuple[float, ...] = (3, 5, 7)  # From one attempt to the next
    after_retries: str = "cancel"  # One of AFTER_RETRIES
    upcoming_days: float = 7  # From `invoice.upcoming` to the renewal

    def changed(self, told: Mapping[str, Any]) -> BillingTerms:
        """With some of it said anew. Refuses (400) what it does not know."""
        terms = {**asdict(self), **told}
        retry_days = terms["retry_days"]
        if terms.keys() != asdict(self).keys() or terms["after_retries"] not in AFTER_RETRIES:
            message = f"Say draft_seconds, retry_days, upcoming_days or after_retries ({', '.join(AFTER_RETRIES)})."
            raise StripeRefusal(400, message)
        numbers = [terms["draft_seconds"], terms["upcoming_days"], *(retry_days if _is_list(retry_days) else [None])]
        if not all(isinstance(number, (int, float)) and number >= 0 for number in numbers):
            raise StripeRefusal(400, "draft_seconds and upcoming_days are numbers, retry_days is a list of them.")
        return BillingTerms(**(terms | {"retry_days": tuple(retry_days)}))


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def terms_of(store: Store) -> BillingTerms:
    note = store.note(NOTE)
    return BillingTerms() if note is None else BillingTerms().changed(json.loads(note))


def agree(store: Store, terms: BillingTerms) -> None:
    store.write_note(NOTE, json.dumps(asdict(terms)))
