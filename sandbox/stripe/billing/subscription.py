"""The subscription object: its shape, what is written into it, and what it will do next by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.stripe.account import STRIPE_ITSELF, Account, Cause
from sandbox.stripe.billing import items
from sandbox.stripe.ids import new_id
from sandbox.stripe.resources.events import record_event
from sandbox.stripe.store import JsonObject

STATUSES = (
    "active", "canceled", "incomplete", "incomplete_expired", "past_due", "paused", "trialing", "unpaid",
)  # fmt: skip
ENDED = ("canceled", "incomplete_expired")
RENEWING = ("active", "past_due", "trialing", "unpaid")

DAY_SECONDS = 86400
INCOMPLETE_SECONDS = 23 * 3600
TRIAL_WARNING_SECONDS = 3 * DAY_SECONDS


def make(account: Account, customer: str, parts: list[JsonObject], said: Mapping[str, Any]) -> JsonObject:
    """A new subscription of a customer, written but not announced. `parts` are its items.

    `said` may hold id, billing_cycle_anchor, cancel_at, default_payment_method, description, metadata, status,
    trial_end and trial_settings; the rest is as Stripe has it by default.
    """
    now, trial_end = account.clock.second(), said.get("trial_end")
    owner = account.store.find(customer) or {}
    subscription = {
        "id": said["id"],
        "object": "subscription",
        "application": None,
        "application_fee_percent": None,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": said["billing_cycle_anchor"],
        "billing_cycle_anchor_config": None,
        "billing_mode": {"flexible": {"proration_discounts": "included"}, "type": "flexible"},
        "billing_schedules": [],
        "billing_thresholds": None,
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "cancellation_details": {"comment": None, "feedback": None, "feedback_option": None, "reason": None},
        "collection_method": "charge_automatically",
        "created": now,
        "currency": parts[0]["price"]["currency"],
        "customer": customer,
        "customer_account": None,
        "days_until_due": None,
        "default_payment_method": said.get("default_payment_method"),
        "default_source": None,
        "default_tax_rates": [],
        "description": said.get("description"),
        "discounts": [],
        "ended_at": None,
        "invoice_settings": {
            "account_tax_ids": None,
            "custom_fields": None,
            "description": None,
            "footer": None,
            "issuer": {"type": "self"},
        },
        "items": items.listed(said["id"], parts),
        "latest_invoice": None,
        "livemode": False,
        "metadata": said.get("metadata", {}),
        "next_pending_invoice_item_invoice": None,
        "on_behalf_of": None,
        "pause_collection": None,
        "payment_settings": {
            "payment_method_options": None,
            "payment_method_types": None,
            "save_default_payment_method": "off",
        },
        "pending_invoice_item_interval": None,
        "pending_setup_intent": None,
        "pending_update": None,
        **items.single(parts),
        "schedule": None,
        "start_date": now,
        "status": said["status"],
        "status_details": None,
        "test_clock": owner.get("test_clock"),
        "transfer_data": None,
        "trial_end": trial_end,
        "trial_settings": said.get("trial_settings") or {"end_behavior": {"missing_payment_method": "create_invoice"}},
        "trial_start": now if trial_end else None,
    }
    return account.store.add(subscription)


def new_subscription_id() -> str:
    return new_id("sub")


# What is written into it.


def write(
    account: Account,
    subscription: JsonObject,
    changes: Mapping[str, Any],
    cause: Cause = STRIPE_ITSELF,
    type: str = "customer.subscription.updated",
) -> JsonObject:
    """Change it, tell of it, and plan anew what it will do next. Where nothing changes, nothing is told."""
    changed = {**subscription, **changes}
    if "items" in changes:
        changed |= items.single(changes["items"]["data"])
    account.store.replace(changed)
    if changed != subscription:
        record_event(account, type, changed, cause, previous=subscription if type.endswith("updated") else None)
    plan_next(account, changed)
    return changed


def write_silently(account: Account, subscription: JsonObject, changes: Mapping[str, Any]) -> JsonObject:
    """Change what the next event will tell of anyway."""
    return account.store.replace({**subscription, **changes})


# What it will do next.


@dataclass(frozen=True, order=True)
class Step:
    """Something that a subscription does by itself at a second: one of the names that `billing.turning` knows."""

    due: int
    name: str


def plan_next(account: Account, subscription: JsonObject) -> None:
    """Exactly one deed of the agenda per subscription: the first of what it has before it."""
    account.agenda.strike("tend_subscription", subscription["id"])
    ahead = steps(account, subscription)
    if ahead:
        due = max(min(ahead).due, account.clock.second())
        account.agenda.plan("tend_subscription", subscription["id"], due, subscription["test_clock"])


def steps(account: Account, subscription: JsonObject) -> list[Step]:
    """All that lies before it. Names sort as they are to be done within one second."""
    status = subscription["status"]
    if status == "incomplete":
        return [Step(subscription["created"] + INCOMPLETE_SECONDS, "expire")]
    if status not in (*RENEWING, "paused"):
        return []
    ahead = [] if subscription["cancel_at"] is None else [Step(subscription["cancel_at"], "cancel")]
    paused = subscription["pause_collection"] or {}
    if paused.get("resumes_at"):
        ahead.append(Step(paused["resumes_at"], "collect"))
    return ahead + (_turns(account, subscription) if status in RENEWING else [])


def _turns(account: Account, subscription: JsonObject) -> list[Step]:
    """The end of the period, and the two announcements before it, each once per period."""
    end = period_end(subscription)
    announced = account.store.hidden(subscription["id"])
    turns = [Step(end, "renew")]
    if announced.get("upcoming_for") != end and subscription["cancel_at"] != end:
        turns.append(Step(end - int(account.terms.upcoming_days * DAY_SECONDS), "announce"))
    trial_end = subscription["trial_end"]
    if subscription["status"] == "trialing" and announced.get("warned_of") != trial_end:
        turns.append(Step(trial_end - TRIAL_WARNING_SECONDS, "warn"))
    return turns


def period_end(subscription: JsonObject) -> int:
    """When the next of its items renews. Items of different intervals end at different times."""
    return min(int(item["current_period_end"]) for item in subscription["items"]["data"])


def has_ended(subscription: JsonObject) -> bool:
    return subscription["status"] in ENDED
