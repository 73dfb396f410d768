"""What a customer sees of their billing, in their own words, and what they may do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sandbox.stripe.account import STRIPE_ITSELF, Account
from sandbox.stripe.billing import changing, collecting, items
from sandbox.stripe.billing.collecting import Attempt
from sandbox.stripe.billing.invoice import day
from sandbox.stripe.billing.subscription import has_ended, period_end
from sandbox.stripe.cards import declined
from sandbox.stripe.means import read_means
from sandbox.stripe.money import written
from sandbox.stripe.order import rhythm
from sandbox.stripe.resources import payment_methods
from sandbox.stripe.resources.events import record_event
from sandbox.stripe.resources.payment_methods import Payer
from sandbox.stripe.store import JsonObject

INVOICES_SHOWN = 12
WORDS = {
    "incomplete": "Not paid yet",
    "past_due": "Payment failed",
    "paused": "Paused",
    "trialing": "Trial",
    "unpaid": "Unpaid",
}


@dataclass(frozen=True)
class Plan:
    """A subscription as its owner reads it.

    `tone` is calm or alarm, `note` says what happens next, `until` when its period ends.
    """

    id: str
    name: str
    price: str
    state: str | None
    tone: str
    note: str
    until: str
    may_cancel: bool
    may_keep: bool
    may_resume: bool
    owed: Bill | None


@dataclass(frozen=True)
class Bill:
    """An invoice: `state` in a word, and whether it can be paid here."""

    id: str
    date: str
    amount: str
    about: str
    state: str
    payable: bool


@dataclass(frozen=True)
class Overview:
    """All that stands on the first page."""

    name: str
    email: str | None
    plans: list[Plan]
    ended: list[Plan]
    card: str | None
    bills: list[Bill]


def overview(account: Account, customer: JsonObject) -> Overview:
    subscriptions = account.store.every("subscription", customer=customer["id"])[::-1]
    plans = [_plan(account, one) for one in subscriptions if not has_ended(one)]
    return Overview(
        name=customer["name"] or customer["email"] or "Your billing",
        email=customer["email"],
        plans=plans,
        ended=[_plan(account, one) for one in subscriptions if has_ended(one)],
        card=_card(account, customer, subscriptions),
        bills=[_bill(one) for one in _invoices(account, customer)[:INVOICES_SHOWN]],
    )


def _invoices(account: Account, customer: JsonObject) -> list[JsonObject]:
    """Newest first. A draft is nothing to look at yet, and a void one nothing any more."""
    found = account.store.every("invoice", customer=customer["id"])[::-1]
    return [invoice for invoice in found if invoice["status"] not in ("draft", "void")]


def plan_of(account: Account, customer: JsonObject, id: str) -> tuple[JsonObject, Plan] | None:
    """The customer's subscription, as it is and as they read it. None when it is not theirs, or has ended."""
    subscription = account.store.find(id)
    if (
        subscription is None
        or subscription.get("customer") != customer["id"]
        or subscription["object"] != "subscription"
    ):
        return None
    return None if has_ended(subscription) else (subscription, _plan(account, subscription))


def _plan(account: Account, subscription: JsonObject) -> Plan:
    parts, status = subscription["items"]["data"], subscription["status"]
    names = [_product(account, item) for item in parts]
    owed = next(
        (_bill(one) for one in _invoices(account, {"id": subscription["customer"]}) if _is_owed(one, subscription)),
        None,
    )
    ends = subscription["cancel_at"] is not None and not has_ended(subscription)
    return Plan(
        id=subscription["id"],
        name=" and ".join(names),
        price=", ".join(_price(item) for item in parts),
        state="Ends soon" if ends else WORDS.get(status),
        tone="alarm" if status in ("past_due", "unpaid", "incomplete") else "calm",
        note=_note(account, subscription),
        until=day(period_end(subscription)),
        may_cancel=not ends and status != "paused",
        may_keep=ends,
        may_resume=status == "paused",
        owed=owed,
    )


def _is_owed(invoice: JsonObject, subscription: JsonObject) -> bool:
    return bool(invoice["status"] == "open" and collecting.bills(invoice, subscription))


def _product(account: Account, item: JsonObject) -> str:
    product = account.store.find(item["price"]["product"]) or {}
    count = item.get("quantity") or 1
    name = str(product.get("name", item["price"]["product"]))
    return f"{count} \N{MULTIPLICATION SIGN} {name}" if count > 1 else name


def _price(item: JsonObject) -> str:
    price = item["price"]
    if items.is_metered(price):
        return f"{written(price['unit_amount'], price['currency'])} each, as used"
    return f"{written(items.amount(item), price['currency'])} {rhythm(price)}"


def _note(account: Account, subscription: JsonObject) -> str:
    status, ahead = subscription["status"], day(period_end(subscription))
    if has_ended(subscription):
        return f"Ended on {day(subscription['ended_at'] or account.clock.second())}"
    if subscription["cancel_at"] is not None:
        return f"Yours until {day(subscription['cancel_at'])}, and not renewed"
    if status == "trialing":
        return f"Free until {ahead}, then charged"
    if status in ("past_due", "unpaid", "incomplete"):
        return "The last payment did not go through. Change the card, or pay now"
    if status == "paused":
        return "Paused until there is a card to charge"
    return f"Renews on {ahead}"


def _card(account: Account, customer: JsonObject, subscriptions: Sequence[JsonObject]) -> str | None:
    """The card that will be charged next, as people know theirs."""
    own = [one["default_payment_method"] for one in subscriptions if not has_ended(one)]
    kept = [*own, customer["invoice_settings"]["default_payment_method"]]
    return next((card for card in (card_of(account, id) for id in kept) if card is not None), None)


def card_of(account: Account, id: str | None) -> str | None:
    """A payment method in words. None where there is none, or it is no card."""
    method = account.store.find(id) if id else None
    if method is None or method["type"] != "card":
        return None
    card = method["card"]
    expiry = f"{card['exp_month']:02}/{card['exp_year'] % 100:02}"
    return f"{card['brand'].capitalize()} ending in {card['last4']}, valid to {expiry}"


def _bill(invoice: JsonObject) -> Bill:
    lines = invoice["lines"]["data"]
    about = lines[0]["description"] if lines else ""
    return Bill(
        id=invoice["id"],
        date=day(invoice["effective_at"] or invoice["created"]),
        amount=written(invoice["amount_due"], invoice["currency"]),
        about=f"{about} and more" if len(lines) > 1 else about,
        state={"open": "Open", "paid": "Paid", "uncollectible": "Written off"}[invoice["status"]],
        payable=invoice["status"] == "open",
    )


# What they may do. Stripe does it for them: no call of the account's is behind the events.


def cancel(account: Account, subscription: JsonObject, feedback: str | None) -> JsonObject:
    """At the end of the period that is paid for."""
    said = {"cancel_at_period_end": True}
    details = {"cancellation_details": {"feedback": feedback}} if feedback else {}
    return changing.change(account, subscription, said | details, STRIPE_ITSELF)


def keep(account: Account, subscription: JsonObject) -> JsonObject:
    """Not to end after all."""
    return changing.change(account, subscription, {"cancel_at": None, "cancel_at_period_end": False}, STRIPE_ITSELF)


def resume(account: Account, subscription: JsonObject) -> JsonObject:
    """Out of a pause: the first period is charged now. A decline is raised (402)."""
    subscription = changing.resumed(account, subscription, STRIPE_ITSELF)
    if subscription["status"] == "paused":
        raise declined(collecting.NO_METHOD)
    return subscription


def change_card(account: Account, customer: JsonObject, typed: Mapping[str, str]) -> JsonObject:
    """The card pays for everything from now on. Refuses (402) one that cannot be kept."""
    means = read_means(typed, account.clock.month())
    assert means is not None, "a form always sends a number"
    payment_methods.refuse_to_save(means)
    payer = Payer(customer["email"] or "", typed.get("name") or customer["name"] or "Jenny Rosen")
    method = payment_methods.attach(account, payment_methods.make(account, means, payer), customer["id"])
    settings = customer["invoice_settings"] | {"default_payment_method": method["id"]}
    changed = account.store.replace(customer | {"invoice_settings": settings})
    record_event(account, "customer.updated", changed, previous=customer)
    for subscription in account.store.every("subscription", customer=customer["id"]):
        if not has_ended(subscription):
            changing.change(account, subscription, {"default_payment_method": method["id"]}, STRIPE_ITSELF)
    return method


def pay(account: Account, invoice: JsonObject) -> Attempt:
    """An open invoice, now. A decline is raised (402)."""
    attempt = collecting.collect(account, invoice, on_session=True)
    if attempt.failure is not None:
        raise declined(attempt.failure)
    return attempt
