"""An order as a person reads it: lines, amounts and what the button will do."""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.stripe.billing.starting import trial_days
from sandbox.stripe.money import written
from sandbox.stripe.store import JsonObject, Store


@dataclass(frozen=True)
class Line:
    """One thing that is bought. `terms` says how often and for how much, where that is not the amount itself."""

    name: str
    description: str | None
    amount: str
    terms: str


@dataclass(frozen=True)
class Order:
    """What the checkout page shows of a session."""

    heading: str
    total: str
    after: str | None  # What will be charged later
    lines: list[Line]
    button: str
    needs_means: bool  # Is a card or account asked for?


def read_order(store: Store, session: JsonObject) -> Order:
    hidden = store.hidden(session["id"])
    items, due, currency = hidden["line_items"], session["amount_total"], session["currency"]
    total = written(due, currency)
    prices = [item["price"] for item in items]
    trial = trial_days(prices, hidden["subscription_data"]) if session["mode"] == "subscription" else 0
    return Order(
        heading=_heading(session, items, trial),
        total=total,
        after=_after(items, currency, trial),
        lines=[_line(store, item) for item in items],
        button=_button(session, total, trial),
        needs_means=due > 0 or session["payment_method_collection"] == "always",
    )


def _heading(session: JsonObject, items: list[JsonObject], trial: int) -> str:
    if trial:
        return f"Try {items[0]['description']} for {trial} days"
    return f"Subscribe to {items[0]['description']}" if session["mode"] == "subscription" else "Your order"


def _after(items: list[JsonObject], currency: str, trial: int) -> str | None:
    recurring = [item for item in items if item["price"]["recurring"] and item["quantity"]]
    if not recurring:
        return None
    amount = written(sum(item["amount_total"] for item in recurring), currency)
    start = f"After {trial} days" if trial else "Renews at"
    return f"{start} {amount} {rhythm(recurring[0]['price'])}"


def rhythm(price: JsonObject) -> str:
    """`per month`, `every 3 months`."""
    interval, count = price["recurring"]["interval"], price["recurring"]["interval_count"]
    return f"per {interval}" if count == 1 else f"every {count} {interval}s"


def _line(store: Store, item: JsonObject) -> Line:
    price = item["price"]
    product = store.find(price["product"]) or {}
    each = written(price["unit_amount"], price["currency"])
    if item["quantity"] is None:
        return Line(item["description"], product.get("description"), "as used", f"{each} each, {rhythm(price)}")
    several = f"{item['quantity']} \N{MULTIPLICATION SIGN} {each}" if item["quantity"] > 1 else ""
    often = rhythm(price) if price["recurring"] else ""
    terms = ", ".join(part for part in (several, often) if part)
    return Line(item["description"], product.get("description"), written(item["amount_total"], item["currency"]), terms)


def _button(session: JsonObject, total: str, trial: int) -> str:
    if trial:
        return "Start the trial"
    if session["mode"] == "subscription":
        return "Subscribe"
    return f"Pay {total}" if session["amount_total"] else "Complete the order"
