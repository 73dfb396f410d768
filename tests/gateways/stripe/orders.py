"""Orders and keys for the tests: each one new unless it is told otherwise."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from gateways.port import Checkout, CheckoutOrder
from gateways.stripe.client import StripeGateway


def new_key() -> str:
    return f"tillstream-{uuid.uuid4()}-1"


def order(**changes: Any) -> CheckoutOrder:
    """One e-book for somebody, on a page that is open for 23 hours."""
    usual = CheckoutOrder(
        payment_id=f"pay_{uuid.uuid4().hex}",
        project_id="prj_shop",
        price_id="price_ebook",
        quantity=1,
        recurring=False,
        email="ada@example.com",
        success_url="https://shop.example/thanks?session={CHECKOUT_SESSION_ID}",
        cancel_url="https://shop.example/cart",
        expires_at=datetime.now(UTC) + timedelta(hours=23),
    )
    return replace(usual, **changes)


async def opened(gateway: StripeGateway, placed: CheckoutOrder) -> Checkout:
    return await gateway.open_checkout(gateway.checkout_request(placed), new_key())
