"""Invoice items: what waits for a subscription's next invoice, such as prorations and one-off prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sandbox.stripe.account import Account, Cause
from sandbox.stripe.billing import invoice as invoices
from sandbox.stripe.billing.items import amount, is_metered
from sandbox.stripe.billing.periods import part_left, period_around
from sandbox.stripe.ids import new_id
from sandbox.stripe.resources.events import record_event
from sandbox.stripe.store import JsonObject


@dataclass(frozen=True, kw_only=True)
class Pending:
    """What an invoice item is to say. `subscription_item` is None for a one-off price."""

    price: JsonObject
    amount: int
    quantity: int
    period: tuple[int, int]
    description: str
    subscription_item: str | None = None

    @property
    def proration(self) -> bool:
        return self.subscription_item is not None


# What a change in the middle of a period comes to.


def credit(account: Account, item: JsonObject, moment: int) -> Pending:
    """For the rest of the period of an item that changes or goes: paid, and not used."""
    start, end = item["current_period_start"], item["current_period_end"]
    left = part_left(amount(item), moment, start, end)
    return _proration(account, item, -left, (moment, end), "Unused time on")


def charge(account: Account, item: JsonObject, anchor: int, moment: int) -> Pending:
    """For the rest of the period of an item that came in its middle."""
    start, end = period_around(anchor, item["price"]["recurring"], moment)
    left = part_left(amount(item), moment, start, end)
    return _proration(account, item, left, (moment, end), "Remaining time on")


def _proration(account: Account, item: JsonObject, amount: int, period: tuple[int, int], says: str) -> Pending:
    product = account.store.find(item["price"]["product"]) or {}
    several = f"{item['quantity']} \N{MULTIPLICATION SIGN} " if item["quantity"] != 1 else ""
    day = invoices.day(period[0])
    return Pending(
        price=item["price"],
        amount=amount,
        quantity=item["quantity"],
        period=period,
        description=f"{says} {several}{product.get('name', item['price']['product'])} after {day}",
        subscription_item=item["id"],
    )


def one_off(account: Account, price: JsonObject, quantity: int) -> Pending:
    """A price that does not recur, billed together with a subscription."""
    now = account.clock.second()
    product = account.store.find(price["product"]) or {}
    return Pending(
        price=price,
        amount=price["unit_amount"] * quantity,
        quantity=quantity,
        period=(now, now),
        description=str(product.get("name", price["product"])),
    )


def prorations(
    account: Account, before: Sequence[JsonObject], after: Sequence[JsonObject], anchor: int, moment: int
) -> list[Pending]:
    """Credits for what was, charges for what is, of all items that are not the same on both sides."""
    old = {item["id"]: _terms(item) for item in before if not is_metered(item["price"])}
    new = {item["id"]: _terms(item) for item in after if not is_metered(item["price"])}
    credits = [
        credit(account, item, moment) for item in before if old.get(item["id"]) not in (None, new.get(item["id"]))
    ]
    charges = [
        charge(account, item, anchor, moment)
        for item in after
        if new.get(item["id"]) not in (None, old.get(item["id"]))
    ]
    return credits + charges


def _terms(item: JsonObject) -> tuple[str, int]:
    return item["price"]["id"], item["quantity"]


# Written down, then billed.


def add(account: Account, subscription: JsonObject, pending: Pending, cause: Cause) -> JsonObject:
    """It waits for the next invoice of the subscription."""
    details = {"subscription": subscription["id"], "subscription_item": pending.subscription_item}
    item = {
        "id": new_id("ii"),
        "object": "invoiceitem",
        "amount": pending.amount,
        "created": account.clock.second(),
        "currency": pending.price["currency"],
        "customer": subscription["customer"],
        "customer_account": None,
        "date": account.clock.second(),
        "description": pending.description,
        "discountable": not pending.proration,
        "discounts": [],
        "frozen_fields": None,
        "invoice": None,
        "invoicing_rules": None,
        "livemode": False,
        "metadata": {},
        "net_amount": pending.amount,
        "parent": {"subscription_details": details, "type": "subscription_details"},
        "period": {"end": pending.period[1], "start": pending.period[0]},
        "pricing": invoices.pricing(pending.price),
        "proration": pending.proration,
        "proration_details": {"credited_items": None, "discount_amounts": []} if pending.proration else None,
        "quantity": pending.quantity,
        "quantity_decimal": str(pending.quantity),
        "tax_rates": [],
        "test_clock": subscription["test_clock"],
    }
    account.store.add(item, price=pending.price)
    record_event(account, "invoiceitem.created", item, cause)
    return item


def waiting(account: Account, subscription: JsonObject) -> list[JsonObject]:
    of_it = {"parent.subscription_details.subscription": subscription["id"]}
    return account.store.every("invoiceitem", invoice=None, **of_it)


def lines(account: Account, subscription: JsonObject) -> list[JsonObject]:
    """Of all that waits. Call `billed` with the invoice they went into."""
    return [_line(account, item) for item in waiting(account, subscription)]


def _line(account: Account, item: JsonObject) -> JsonObject:
    details = item["parent"]["subscription_details"]
    about = {
        "invoice_item": item["id"],
        "proration": item["proration"],
        "proration_details": {"credited_items": None},
        "subscription": details["subscription"],
    }
    kind = "subscription_item_details" if details["subscription_item"] else "invoice_item_details"
    parent = {"invoice_item_details": None, "subscription_item_details": None, "type": kind}
    if details["subscription_item"]:
        about["subscription_item"] = details["subscription_item"]
    period = (item["period"]["start"], item["period"]["end"])
    price = account.store.hidden(item["id"])["price"]
    line = invoices.line(price, item["amount"], period, item["description"], item["quantity"], parent | {kind: about})
    return line | {"discountable": item["discountable"]}


def billed(account: Account, invoice: JsonObject) -> None:
    for line in invoice["lines"]["data"]:
        details = line["parent"][line["parent"]["type"]]
        if details["invoice_item"] is not None:
            item = account.store.get("invoiceitem", details["invoice_item"])
            account.store.replace(item | {"invoice": invoice["id"]})


def remove(account: Account, subscription: JsonObject, cause: Cause) -> None:
    """What waits will not be billed any more."""
    for item in waiting(account, subscription):
        account.store.remove(item["id"])
        record_event(account, "invoiceitem.deleted", item | {"deleted": True}, cause)
