"""Prices: what one unit costs, once or every period."""

from domain.product import Price
from gateways.errors import PriceNotFixed
from gateways.port import ListedPrice
from gateways.stripe.translation.fields import Plain, ShapeUnknown, optional_object, optional_whole, text, whole


def listed(price: Plain) -> ListedPrice:
    """A price whose `product` is expanded. A metered one costs 0 beforehand. Raises `PriceNotFixed`."""
    product = optional_object(price, "product")
    if product is None:
        raise ShapeUnknown(price, "product")
    recurring = optional_object(price, "recurring")
    return ListedPrice(
        price=Price(
            price_id=text(price, "id"),
            amount_minor=_amount_minor(price, recurring),
            currency=text(price, "currency"),
            interval=None if recurring is None else text(recurring, "interval"),
            interval_count=1 if recurring is None else whole(recurring, "interval_count"),
            trial_days=0 if recurring is None else optional_whole(recurring, "trial_period_days") or 0,
        ),
        product_name=product.get("name") or text(product, "id"),
        active=price.get("active") is True and product.get("active") is True,
    )


def _amount_minor(price: Plain, recurring: Plain | None) -> int:
    if recurring is not None and recurring.get("usage_type") == "metered":
        return 0
    if price.get("unit_amount") is None or price.get("transform_quantity") is not None:
        raise PriceNotFixed(text(price, "id"))
    return whole(price, "unit_amount")
