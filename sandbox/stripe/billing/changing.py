"""What a call changes in a subscription: items with their prorations, trial, anchor, end, pause; and what is billed now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.stripe.account import Account, Cause
from sandbox.stripe.billing import collecting, items, pending
from sandbox.stripe.billing import invoice as invoices
from sandbox.stripe.billing import subscription as subscriptions
from sandbox.stripe.billing.collecting import Attempt
from sandbox.stripe.billing.periods import period_end
from sandbox.stripe.cards import Decline, declined
from sandbox.stripe.errors import StripeRefusal, parameter_invalid, parameter_missing
from sandbox.stripe.parameters import merged
from sandbox.stripe.resources.events import record_event
from sandbox.stripe.store import JsonObject


@dataclass(frozen=True)
class Change:
    """One call that changes a subscription. `parts` are its items afterwards."""

    account: Account
    subscription: JsonObject
    said: Mapping[str, Any]
    parts: list[JsonObject]
    cause: Cause

    @property
    def moment(self) -> int:
        """From when on it counts, for prorations."""
        return int(self.said.get("proration_date", self.account.clock.second()))

    @property
    def before(self) -> list[JsonObject]:
        found: list[JsonObject] = self.subscription["items"]["data"]
        return found


def change(account: Account, subscription: JsonObject, said: Mapping[str, Any], cause: Cause) -> JsonObject:
    """Carry out an update. Raises (402) only where `error_if_incomplete` was asked for, and then changes nothing."""
    parts = changed_items(account, subscription, said.get("items", []))
    wanted = Change(account, subscription, said, parts, cause)
    changes = _plain(subscription, said) | _end(subscription, said, account.clock.second())
    restart = _restart(wanted)
    if restart is None:
        # Unchanged items in a trial, or in the middle of a period, keep the period they have.
        changes["items"] = items.listed(subscription["id"], parts)
    else:
        changes |= restart
    owed = _prorations(wanted, restart)
    bills_now = restart is not None or (owed and said.get("proration_behavior") == "always_invoice")
    for one in owed:
        pending.add(account, subscription, one, cause)
    if subscription["cancel_at_period_end"] and "cancel_at" not in changes:
        changes["cancel_at"] = min(item["current_period_end"] for item in changes["items"]["data"])
    if not bills_now:
        return subscriptions.write(account, subscription, changes, cause)
    lines = [] if restart is None else _first_lines(account, restart)
    return bill_now(account, subscription, Bill(changes=changes, lines=lines, said=said, cause=cause))


# What is only written down.


def _plain(subscription: JsonObject, said: Mapping[str, Any]) -> JsonObject:
    plain = {name: said[name] for name in ("default_payment_method", "description", "trial_settings") if name in said}
    if "pause_collection" in said:
        paused = said["pause_collection"]
        plain["pause_collection"] = None if paused is None else {"resumes_at": None, **paused}
    if "metadata" in said:
        plain["metadata"] = merged(subscription["metadata"], said["metadata"])
    return plain


def _end(subscription: JsonObject, said: Mapping[str, Any], now: int) -> JsonObject:
    """When it is to end: at a second, at the end of a period, or (taken back) not at all."""
    details = subscription["cancellation_details"] | said.get("cancellation_details", {})
    told = {"cancellation_details": details} if "cancellation_details" in said else {}
    if "cancel_at" not in said and "cancel_at_period_end" not in said:
        return told
    ends = [item["current_period_end"] for item in subscription["items"]["data"]]
    at_period_end = said.get("cancel_at_period_end", False)
    named = {"min_period_end": min(ends), "max_period_end": max(ends)}
    asked = said.get("cancel_at")
    cancel_at = min(ends) if at_period_end else named.get(str(asked), asked)
    if cancel_at is not None and cancel_at <= now:
        raise parameter_invalid("cancel_at must be a timestamp in the future.", "cancel_at")
    reason = None if cancel_at is None else "cancellation_requested"
    return {
        "cancel_at": cancel_at,
        "cancel_at_period_end": at_period_end,
        "canceled_at": None if cancel_at is None else subscription["canceled_at"] or now,
        "cancellation_details": {**details, "reason": reason},
    }


# Its items.


def changed_items(account: Account, subscription: JsonObject, sent: Sequence[Mapping[str, Any]]) -> list[JsonObject]:
    """The items after what was sent for them: changed, added, deleted. Refuses (400) what does not fit together."""
    parts = {item["id"]: item for item in subscription["items"]["data"]}
    for index, told in enumerate(sent):
        name = f"items[{index}]"
        if "id" not in told:
            added = _added(account, subscription, told, name)
            parts[added["id"]] = added
        elif told["id"] not in parts:
            raise StripeRefusal(
                400, f"No such subscription item: '{told['id']}'", code="resource_missing", param=f"{name}[id]"
            )
        elif told.get("deleted"):
            del parts[told["id"]]
        else:
            parts[told["id"]] = _changed(account, parts[told["id"]], told, name)
    if not parts:
        message = (
            "A subscription must have at least one active plan. In order to cancel a subscription, please use the cancel "
            "API endpoint (/v1/subscriptions/:id)."
        )
        raise parameter_invalid(message, "items")
    _refuse_pairs(list(parts.values()), subscription["currency"])
    return list(parts.values())


def _added(account: Account, subscription: JsonObject, told: Mapping[str, Any], name: str) -> JsonObject:
    if "price" not in told:
        raise parameter_missing(f"{name}[price]")
    wanted, now = recurring_price(account, told, name), account.clock.second()
    end = period_end(subscription["billing_cycle_anchor"], wanted.price["recurring"], now)
    if subscription["status"] == "trialing":
        end = subscription["trial_end"]
    return items.make(subscription["id"], wanted, (now, end), now)


def _changed(account: Account, item: JsonObject, told: Mapping[str, Any], name: str) -> JsonObject:
    """Where only the price changes, the quantity stays; one is the quantity after a metered price."""
    price = account.store.get("price", told.get("price", item["price"]["id"]), f"{name}[price]")
    wanted = {"price": price["id"], "metadata": merged(item["metadata"], told.get("metadata", {}))}
    if "quantity" in told or not items.is_metered(price):
        wanted["quantity"] = told.get("quantity", item.get("quantity", 1))
    return items.changed(item, recurring_price(account, wanted, name, must_be_active="price" in told))


def recurring_price(account: Account, told: Mapping[str, Any], name: str, must_be_active: bool = True) -> items.Wanted:
    """The price that an item names, and how many. Refuses (400) a price that cannot recur."""
    price = account.store.get("price", told["price"], f"{name}[price]")
    if price["recurring"] is None:
        message = (
            "The price specified is set to `type=one_time` but this field only accepts prices with `type=recurring`."
        )
        raise parameter_invalid(message, f"{name}[price]")
    if must_be_active and not price["active"]:
        message = "The price specified is inactive. This field only accepts active prices."
        raise parameter_invalid(message, f"{name}[price]")
    if not items.is_metered(price):
        return items.Wanted(price, told.get("quantity", 1), told.get("metadata", {}))
    if "quantity" in told:
        message = "You cannot specify a quantity for a metered price: usage is reported after the fact."
        raise parameter_invalid(message, f"{name}[quantity]")
    return items.Wanted(price, None, told.get("metadata", {}))


def _refuse_pairs(parts: Sequence[JsonObject], currency: str) -> None:
    prices = [item["price"]["id"] for item in parts]
    twice = next((price for price in prices if prices.count(price) > 1), None)
    if twice is not None:
        message = f"Cannot add multiple subscription items with the same plan: {twice}"
        raise parameter_invalid(message, "items")
    other = next((item["price"] for item in parts if item["price"]["currency"] != currency), None)
    if other is not None:
        message = f"The price `{other['id']}` is in {other['currency']}, and the subscription in {currency}."
        raise parameter_invalid(message, "items")


# Whether its period begins anew.


def _restart(wanted: Change) -> JsonObject | None:
    """What a new period changes: the anchor is moved to now, or to the end of a trial. None where none begins.

    A period begins anew when that is asked for, when a trial starts or ends, when an item is billed in another rhythm,
    and when a free subscription comes to cost something.
    """
    subscription, said, now = wanted.subscription, wanted.said, wanted.account.clock.second()
    trialing = subscription["status"] == "trialing"
    if "trial_end" in said:
        trial_end = None if said["trial_end"] == "now" else int(said["trial_end"])
        if trial_end is None and not trialing:
            return None
        if trial_end is not None and trial_end <= now:
            message = "Invalid timestamp: must be an integer Unix timestamp in the future."
            raise parameter_invalid(message, "trial_end")
        return begun_anew(subscription, wanted.parts, now, trial_end)
    anew = said.get("billing_cycle_anchor") == "now" or (
        not trialing and (_other_rhythm(wanted) or _costs_from_now_on(wanted))
    )
    return begun_anew(subscription, wanted.parts, now, None) if anew else None


def begun_anew(subscription: JsonObject, parts: Sequence[JsonObject], now: int, trial_end: int | None) -> JsonObject:
    """All items in a period that begins now."""
    turned = [
        {
            **item,
            "current_period_start": now,
            "current_period_end": trial_end or period_end(now, item["price"]["recurring"], now),
        }
        for item in parts
    ]
    trial = {"trial_end": trial_end, "trial_start": subscription["trial_start"] or now} if trial_end else {}
    if trial_end is None and subscription["status"] == "trialing":
        trial = {"trial_end": now}
    ended = subscription["status"] in ("active", "trialing", "paused")
    return {
        "billing_cycle_anchor": trial_end or now,
        "items": items.listed(subscription["id"], turned),
        "status": ("trialing" if trial_end else "active") if ended else subscription["status"],
        **trial,
    }


def _other_rhythm(wanted: Change) -> bool:
    rhythms = {item["id"]: items.rhythm(item["price"]) for item in wanted.before}
    return any(
        rhythms.get(item["id"], items.rhythm(item["price"])) != items.rhythm(item["price"]) for item in wanted.parts
    )


def _costs_from_now_on(wanted: Change) -> bool:
    licensed = [item for item in wanted.before if not items.is_metered(item["price"])]
    return bool(licensed) and not any(map(items.amount, wanted.before)) and any(map(items.amount, wanted.parts))


def _prorations(wanted: Change, restart: JsonObject | None) -> list[pending.Pending]:
    """Credits and charges for what is left of the present period; none in a trial, which costs nothing."""
    subscription = wanted.subscription
    if wanted.said.get("proration_behavior") == "none" or subscription["status"] in (
        "trialing",
        "paused",
        "incomplete",
    ):
        return []
    if restart is None:
        anchor = subscription["billing_cycle_anchor"]
        return pending.prorations(wanted.account, wanted.before, wanted.parts, anchor, wanted.moment)
    licensed = [item for item in wanted.before if not items.is_metered(item["price"])]
    return [pending.credit(wanted.account, item, wanted.moment) for item in licensed]


def _first_lines(account: Account, restart: JsonObject) -> list[JsonObject]:
    trial = restart["status"] == "trialing"
    return [
        invoices.line_of(account, item, trial=trial)
        for item in restart["items"]["data"]
        if trial or not items.is_metered(item["price"])
    ]


# Billed at once.


@dataclass(frozen=True, kw_only=True)
class Bill:
    """What is written into a subscription together with an invoice of these lines and of all that waits."""

    changes: JsonObject
    lines: list[JsonObject]
    said: Mapping[str, Any]
    cause: Cause
    reason: str = "subscription_update"


def bill_now(account: Account, subscription: JsonObject, bill: Bill) -> JsonObject:
    """Make the invoice, write the changes, and try to be paid. Returns the subscription as it is then."""
    behavior = bill.said.get("payment_behavior", "allow_incomplete")
    lines = bill.lines + pending.lines(account, subscription)
    now = account.clock.second()
    occasion = invoices.Occasion(reason=bill.reason, period=(now, now), cause=bill.cause)
    invoice = invoices.draft(account, subscription, lines, occasion)
    pending.billed(account, invoice)
    subscriptions.write(account, subscription, {**bill.changes, "latest_invoice": invoice["id"]}, bill.cause)
    invoice = collecting.finalize(account, invoice, bill.cause)
    if behavior == "default_incomplete" and invoice["amount_due"]:
        _wait_for_payment(account, invoice, bill.cause)
    else:
        attempt = collecting.collect(account, invoice, bill.cause)
        if attempt.failure is not None and behavior == "error_if_incomplete":
            raise refused(attempt, stands=False)
    return account.store.get("subscription", subscription["id"])


def resumed(account: Account, subscription: JsonObject, cause: Cause, *, keeps_anchor: bool = False) -> JsonObject:
    """Out of the pause after a trial: a period begins, and once that is paid the subscription is active."""
    begun = begun_anew(subscription, subscription["items"]["data"], account.clock.second(), None) | {"status": "paused"}
    if keeps_anchor:
        begun["billing_cycle_anchor"] = subscription["billing_cycle_anchor"]
    lines = [invoices.line_of(account, item) for item in begun["items"]["data"] if not items.is_metered(item["price"])]
    subscription = bill_now(
        account, subscription, Bill(changes=begun, lines=lines, said={}, cause=cause, reason="subscription_cycle")
    )
    if subscription["status"] != "paused":
        record_event(account, "customer.subscription.resumed", subscription, cause)
    return subscription


def _wait_for_payment(account: Account, invoice: JsonObject, cause: Cause) -> None:
    """The payment intent is there for whoever pays; until then the subscription is past due."""
    collecting.intent_for(account, invoice, cause)
    subscription = invoices.subscription_of(account, invoice)
    if subscription is not None and subscription["status"] == "active":
        subscriptions.write(account, subscription, {"status": "past_due"}, cause)


def refused(attempt: Attempt, stands: bool) -> StripeRefusal:
    """The answer (402) to a call whose invoice could not be paid."""
    why = attempt.failure or Decline(
        "invoice_payment_intent_requires_action", "This payment requires additional action."
    )
    details: dict[str, Any] = {} if attempt.intent is None else {"payment_intent": attempt.intent}
    if attempt.intent is not None and attempt.intent["latest_charge"]:
        details["charge"] = attempt.intent["latest_charge"]
    refusal = declined(why, **details)
    refusal.stands = stands
    return refusal
