"""Prices as Stripe states them: over the wire, and as the SDK's own objects where the look-alike has no such price."""

from typing import Any

import pytest
import stripe

from domain.product import Price
from gateways.errors import PriceNotFixed, PriceUnknown
from gateways.port import ListedPrice
from gateways.stripe.client import StripeGateway
from gateways.stripe.translation import prices
from gateways.stripe.translation.fields import ShapeUnknown
from tests.sandbox.stripe.lookalike import LookAlike


@pytest.mark.parametrize(
    ("price_id", "amount_minor", "currency", "interval"),
    [
        ("price_ebook", 2999, "usd", None),
        ("price_yen", 500, "jpy", None),
        ("price_free", 0, "usd", None),
        ("price_pro_monthly", 2000, "usd", "month"),
        ("price_pro_yearly", 20000, "usd", "year"),
        ("price_calls_metered", 0, "usd", "month"),
    ],
)
async def test_a_price_is_read_as_the_gateway_states_it(
    gateway: StripeGateway, price_id: str, amount_minor: int, currency: str, interval: str | None
) -> None:
    listed = await gateway.read_price(price_id)

    assert listed.price == Price(price_id=price_id, amount_minor=amount_minor, currency=currency, interval=interval)
    assert listed.active
    assert listed.product_name


@pytest.mark.parametrize("price_id", ["price_of_nothing", "prod_ebook", "../products/x", "ключ", "..", ""])
async def test_a_price_that_stripe_does_not_know_is_named(gateway: StripeGateway, price_id: str) -> None:
    with pytest.raises(PriceUnknown) as caught:
        await gateway.read_price(price_id)
    assert repr(price_id) in caught.value.message


async def test_a_price_says_how_many_intervals_it_is_paid_for(gateway: StripeGateway, lookalike: LookAlike) -> None:
    quarterly = await lookalike.client.v1.prices.create_async(
        {
            "currency": "usd",
            "unit_amount": 5500,
            "recurring": {"interval": "month", "interval_count": 3},
            "product_data": {"name": "Pro, quarterly"},
        }
    )

    price = (await gateway.read_price(quarterly.id)).price

    assert (price.interval, price.interval_count, price.every) == ("month", 3, "3 months")


async def test_a_trial_is_a_price_s_own(gateway: StripeGateway) -> None:
    assert (await gateway.read_price("price_trial_monthly")).price.trial_days == 14


async def test_a_price_that_is_no_longer_sold_says_so(gateway: StripeGateway, lookalike: LookAlike) -> None:
    price = await lookalike.client.v1.prices.create_async(
        {"currency": "usd", "unit_amount": 100, "active": False, "product_data": {"name": "Old book"}}
    )

    listed = await gateway.read_price(price.id)

    assert listed == ListedPrice(
        price=Price(price_id=price.id, amount_minor=100, currency="usd", interval=None),
        product_name="Old book",
        active=False,
    )


def price_object(**changes: Any) -> dict[str, Any]:
    """A price as the SDK's own object, back in the plain form in which the gateway reads it."""
    values = {
        "id": "price_1",
        "object": "price",
        "active": True,
        "currency": "usd",
        "product": {"id": "prod_1", "object": "product", "active": True, "name": "Book"},
        "recurring": None,
        "transform_quantity": None,
        "unit_amount": 100,
        "unit_amount_decimal": "100",
        **changes,
    }
    return stripe.Price.construct_from(values, None).to_dict(for_json=True)


METERED = {"interval": "month", "interval_count": 1, "usage_type": "metered"}


def test_a_metered_price_costs_nothing_beforehand_whatever_its_unit_costs() -> None:
    per_call = price_object(unit_amount=None, unit_amount_decimal="0.25", recurring=METERED)

    assert prices.listed(per_call).price.amount_minor == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"unit_amount": None, "unit_amount_decimal": None, "billing_scheme": "tiered"},
        {"unit_amount": None, "unit_amount_decimal": None, "custom_unit_amount": {"minimum": 100}},
        {"unit_amount": None, "unit_amount_decimal": "0.5"},
        {"transform_quantity": {"divide_by": 10, "round": "up"}},
    ],
)
def test_a_price_without_a_fixed_amount_per_unit_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(PriceNotFixed, match="price_1"):
        prices.listed(price_object(**changes))


def test_a_price_of_a_deleted_product_is_not_sold() -> None:
    gone = price_object(product={"id": "prod_1", "object": "product", "deleted": True})

    assert (prices.listed(gone).active, prices.listed(gone).product_name) == (False, "prod_1")


@pytest.mark.parametrize(
    "changes", [{"product": "prod_1"}, {"product": None}, {"unit_amount": -1}, {"unit_amount": "1"}, {"currency": None}]
)
def test_a_price_of_an_unknown_shape_is_not_guessed_at(changes: dict[str, Any]) -> None:
    with pytest.raises(ShapeUnknown, match=next(iter(changes))):
        prices.listed(price_object(**changes))
