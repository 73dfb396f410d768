"""What the look-alike sells from the start, so that a newcomer has something to buy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sandbox.stripe.account import Account
from sandbox.stripe.resources import meters, prices, products


@dataclass(frozen=True)
class Offer:
    """A product with one price; amounts in the currency's smallest unit."""

    price: str
    name: str
    description: str
    unit_amount: int
    currency: str = "usd"
    recurring: dict[str, Any] | None = None


MONTHLY = {"interval": "month"}

OFFERS = (
    Offer("price_ebook", "The E-Book", "A book to read on any screen", 29_99),
    Offer("price_credits_1000", "1,000 credits", "Credits for the API", 10_00),
    Offer("price_credits_10000", "10,000 credits", "Credits for the API, a fifth off", 80_00),
    Offer("price_pro_monthly", "Pro, monthly", "Everything in Pro, month by month", 20_00, recurring=MONTHLY),
    Offer(
        "price_pro_yearly", "Pro, yearly", "Everything in Pro, two months free", 200_00, recurring={"interval": "year"}
    ),
    Offer("price_team_monthly", "Team, monthly", "Pro for the whole team", 50_00, recurring=MONTHLY),
    Offer(
        "price_trial_monthly",
        "Starter, monthly",
        "The first fourteen days are free",
        15_00,
        recurring={**MONTHLY, "trial_period_days": 14},
    ),
    Offer("price_free", "The free sample", "A chapter to look into", 0),
    Offer("price_yen", "A postcard from Kyoto", "Sent by post", 500, currency="jpy"),
    Offer(
        "price_calls_metered",
        "API calls",
        "Two cents a call, counted each month",
        2,
        recurring={**MONTHLY, "usage_type": "metered", "meter": "mtr_calls"},
    ),
)


METER: dict[str, Any] = {
    "id": "mtr_calls",
    "display_name": "API calls",
    "event_name": "api_calls",
    "default_aggregation": {"formula": "sum"},
}


def lay_out(account: Account) -> None:
    """Put the meter and every offer that is not there yet into the account."""
    if account.store.find(METER["id"]) is None:
        meters.make(account, METER)
    for offer in OFFERS:
        if account.store.find(offer.price) is None:
            _add(account, offer)


def _add(account: Account, offer: Offer) -> None:
    about = {"id": offer.price.replace("price_", "prod_"), "name": offer.name, "description": offer.description}
    product = products.make(account, about)
    terms = {"id": offer.price, "unit_amount": offer.unit_amount, "currency": offer.currency}
    prices.make(account, {**terms, "recurring": offer.recurring}, product["id"])
    account.store.replace(product | {"default_price": offer.price})
