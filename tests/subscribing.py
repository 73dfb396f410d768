"""A subscription as tests tell it: what its gateway states of it, month by month, and the invoices that go with it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.payment import PAYMENTS, Payment
from domain.product import Price
from domain.project import Project
from domain.subscription import Invoice, Line, Standing, Stated, Status, SubscriptionCreated
from domain.subscription.state import standing_of
from tests.samples import PRO, PROJECT, initiated

AT_STRIPE = "sub_1Abc"
GRACE = timedelta(days=3)
TEAM_PRICE = Price(price_id="price_team_monthly", amount_minor=50_00, currency="usd", interval="month")
TEAM = replace(PRO, product_id="team", name="Team", price=TEAM_PRICE)
SHOP = Project(
    project_id=PROJECT,
    name="Shop",
    domain="shop.example",
    default_currency="usd",
    payment_types=("subscription",),
    features=("permissions",),
    overridden=(),
    products={"pro": PRO, "team": TEAM},
)


def month(number: int) -> datetime:
    """The first of a month of 2026, from 1; 13 is January of 2027."""
    return datetime(2026 + (number - 1) // 12, (number - 1) % 12 + 1, 1, tzinfo=UTC)


def stated(period: int = 1, **changes: Any) -> Stated:
    """Pro, month by month, in good standing in its period of that number."""
    usual = Stated(
        gateway_subscription_id=AT_STRIPE,
        status=Status.ACTIVE,
        price=PRO.price,
        quantity=1,
        started_at=month(1),
        current_period_start=month(period),
        current_period_end=month(period + 1),
    )
    return replace(usual, **changes)


def ended(period: int, at: datetime, reason: str | None = "cancellation_requested", **changes: Any) -> Stated:
    return stated(period, status=Status.EXPIRED, ended_at=at, end_reason=reason, **changes)


def invoice(period: int = 2, **changes: Any) -> Invoice:
    """The bill for a period of that number, for the first one by the checkout's own."""
    usual = Invoice(
        invoice_id=f"in_{period}",
        billing_reason="subscription_cycle" if period > 1 else "subscription_create",
        amount_minor=20_00,
        currency="usd",
        issued_at=month(period),
        lines=(
            Line(
                price_id=PRO.price.price_id,
                quantity=1,
                whole_period=True,
                period_start=month(period),
                period_end=month(period + 1),
            ),
        ),
    )
    return replace(usual, **changes)


def standing(subscription_id: str = "sub_1", **changes: Any) -> Standing:
    """Pro, in good standing in January."""
    usual = Standing(
        subscription_id=subscription_id,
        user_id="u1",
        product_id=PRO.product_id,
        price_id=PRO.price.price_id,
        quantity=1,
        amount_minor=20_00,
        currency="usd",
        interval="month",
        interval_count=1,
        status="active",
        stated_status="active",
        current_period_start=month(1),
        current_period_end=month(2),
        stated_at=month(1),
        asked=False,
    )
    return replace(usual, **changes)


def created(subscription_id: str = "sub_1", *, payment_id: str = "pay_1", **changes: Any) -> SubscriptionCreated:
    started_at = changes.pop("started_at", month(1))
    return SubscriptionCreated(
        **standing_of(standing(subscription_id, **changes)),
        project_id=PROJECT,
        customer_id="cus_u1",
        gateway="stripe",
        gateway_subscription_id=f"at_stripe_{subscription_id}",
        payment_id=payment_id,
        started_at=started_at,
    )


def checkout_payment(**changes: Any) -> Payment:
    """The payment of the checkout in which it began."""
    fact = initiated(
        product_id=PRO.product_id,
        product_type=PRO.type.value,
        price_id=PRO.price.price_id,
        payment_type="subscription",
        amount_minor=20_00,
        **changes,
    )
    payment = PAYMENTS.fold([fact])
    assert payment is not None
    return payment
