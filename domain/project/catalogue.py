"""What a project sells: products are checked against the price that the gateway states, and found again to be paid for."""

from collections.abc import Iterable
from typing import TypeVar

from domain.product import PaymentType, Product, ProductType
from domain.project.errors import (
    CreditTypeMissing,
    PaymentTypeDoesNotFit,
    PriceDoesNotFit,
    ProductListedTwice,
    ProductUnknown,
)
from domain.project.events import ProductAdded, ProductChanged, ProjectEvent
from domain.project.state import Project

F = TypeVar("F", ProductAdded, ProductChanged)

_ALWAYS_RECURRING = (ProductType.SUBSCRIPTION, ProductType.METERED)


def check_products(products: Iterable[Product]) -> None:
    """Refuse what contradicts itself: an id used twice, a price that is not what the product says, untyped credits."""
    seen = set()
    for product in products:
        if product.product_id in seen:
            raise ProductListedTwice(product.product_id)
        seen.add(product.product_id)
        if product.recurring != (product.price.interval is not None):
            raise PriceDoesNotFit(product)
        if product.type in _ALWAYS_RECURRING and not product.recurring:
            raise PriceDoesNotFit(product)
        if product.type is ProductType.ONE_TIME and product.recurring:
            raise PriceDoesNotFit(product)
        if product.credits and not product.credit_type:
            raise CreditTypeMissing(product.product_id)


def put_product(project: Project, product: Product) -> list[ProjectEvent]:
    """Add a product, or change the one of the same id. As it already is: nothing happens."""
    known = project.products.get(product.product_id)
    if known == product:
        return []
    return [
        added(project.project_id, product) if known is None else _stated(ProductChanged, project.project_id, product)
    ]


def product_for_sale(project: Project, product_id: str, payment_type: str) -> Product:
    """The product to pay for. `payment_type` is `auto`, `one_time` or `subscription` and must be what the product is."""
    product = project.products.get(product_id)
    if product is None:
        raise ProductUnknown(product_id)
    check_payment_type(product, payment_type)
    return product


def product_at(project: Project, price_id: str | None, preferred: str = "") -> Product | None:
    """What the catalogue sells at a price: of several, the preferred one, else the first. None where it sells nothing."""
    found = [product for product in project.products.values() if product.price.price_id == price_id]
    return next((product for product in found if product.product_id == preferred), next(iter(found), None))


def check_payment_type(product: Product, payment_type: str) -> None:
    """`auto` follows the product; asking for what it is not is refused."""
    if payment_type != "auto" and PaymentType(payment_type) is not product.payment_type:
        raise PaymentTypeDoesNotFit(product, payment_type)


def added(project_id: str, product: Product) -> ProductAdded:
    return _stated(ProductAdded, project_id, product)


def _stated(fact: type[F], project_id: str, product: Product) -> F:
    return fact(
        project_id=project_id,
        product_id=product.product_id,
        name=product.name,
        product_type=product.type.value,
        price_id=product.price.price_id,
        amount_minor=product.price.amount_minor,
        currency=product.price.currency,
        interval=product.price.interval,
        recurring=product.recurring,
        credits=product.credits,
        credit_type=product.credit_type,
        permissions=product.permissions,
        interval_count=product.price.interval_count,
        trial_days=product.price.trial_days,
    )
