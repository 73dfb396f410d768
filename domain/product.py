"""What a project sells, and what follows from it: payment types and features."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class ProductType(StrEnum):
    ONE_TIME = "one_time"
    SUBSCRIPTION = "subscription"
    API_CREDITS = "api_credits"
    DOWNLOAD_CREDITS = "download_credits"
    PREMIUM_ACCESS = "premium_access"
    PRO_FEATURES = "pro_features"
    METERED = "metered"


class PaymentType(StrEnum):
    """How a product is paid: once, or again every period."""

    ONE_TIME = "one_time"
    SUBSCRIPTION = "subscription"


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """A price as the gateway states it. `amount_minor` is per unit and 0 where usage decides (metered).

    It is paid every `interval_count` intervals: a quarterly price every 3 months. `trial_days` are free at the start.
    """

    price_id: str
    amount_minor: int
    currency: str
    interval: str | None  # day, week, month or year; None for a one-off price
    interval_count: int = 1
    trial_days: int = 0

    @property
    def every(self) -> str:
        """How often it is paid, in words: `month`, `3 months`."""
        return f"{self.interval}" if self.interval_count == 1 else f"{self.interval_count} {self.interval}s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One thing that a project sells. `credits` are granted per unit bought."""

    product_id: str
    name: str
    type: ProductType
    price: Price
    recurring: bool
    credits: int
    credit_type: str
    permissions: tuple[str, ...]

    @property
    def payment_type(self) -> PaymentType:
        return PaymentType.SUBSCRIPTION if self.recurring else PaymentType.ONE_TIME


def detect_payment_types(products: Iterable[Product]) -> tuple[str, ...]:
    """`("one_time",)`, `("subscription",)`, or `("both",)`; nothing sold yet is `("one_time",)`."""
    types = {product.payment_type for product in products} or {PaymentType.ONE_TIME}
    return ("both",) if len(types) == 2 else (types.pop().value,)


def detect_features(products: Iterable[Product]) -> tuple[str, ...]:
    """Which of `credits`, `metered` and `permissions` these products need, in this order."""
    features = {feature for product in products for feature in _features(product)}
    return tuple(sorted(features))


def _features(product: Product) -> set[str]:
    found = set()
    if product.credits or product.type in (ProductType.API_CREDITS, ProductType.DOWNLOAD_CREDITS):
        found.add("credits")
    if product.permissions or product.type in (ProductType.PREMIUM_ACCESS, ProductType.PRO_FEATURES):
        found.add("permissions")
    if product.type is ProductType.METERED:
        found.add("metered")
    return found
