"""Why something may not be done with a project, its products or its keys."""

from domain.errors import DomainError, ErrorType
from domain.product import Product


class ProjectUnknown(DomainError):
    """No such project was ever registered."""

    type: ErrorType = "not_found"
    code = "project_not_found"

    def __init__(self, project_id: str) -> None:
        super().__init__(f"There is no project {project_id!r}.")


class ProductUnknown(DomainError):
    """The catalogue has no such product."""

    type: ErrorType = "not_found"
    code = "product_not_found"

    def __init__(self, product_id: str) -> None:
        super().__init__(
            f"This project sells no product {product_id!r}; use the id of one of its products.", param="product_id"
        )


class ProductListedTwice(DomainError):
    """One id for two products."""

    type: ErrorType = "validation_error"
    code = "product_listed_twice"

    def __init__(self, product_id: str) -> None:
        super().__init__(f"Product {product_id!r} is listed twice; give each product its own id.", param="products")


class PriceDoesNotFit(DomainError):
    """What the gateway says of the price contradicts what the product says of itself."""

    type: ErrorType = "validation_error"
    code = "price_does_not_fit"

    def __init__(self, product: Product) -> None:
        stated = f"every {product.price.every}" if product.price.interval else "once"
        declared = "recurring" if product.recurring else "not recurring"
        super().__init__(
            f"Price {product.price.price_id} is charged {stated}, but product {product.product_id!r} of type"
            f" {product.type} is {declared}; change the product's `type` or `recurring`, or use another price.",
            param="products",
        )


class CreditTypeMissing(DomainError):
    """A product that sells credits must say of which type."""

    type: ErrorType = "validation_error"
    code = "credit_type_missing"

    def __init__(self, product_id: str) -> None:
        super().__init__(f"Product {product_id!r} sells credits; say of which `credit_type`.", param="products")


class PaymentTypeDoesNotFit(DomainError):
    """Asked to be paid once for what recurs, or the other way round."""

    type: ErrorType = "validation_error"
    code = "payment_type_does_not_fit"

    def __init__(self, product: Product, asked: str) -> None:
        super().__init__(
            f"Product {product.product_id!r} is paid as {product.payment_type}, not as {asked}; send"
            f" payment_type={product.payment_type} or auto.",
            param="payment_type",
        )


class KeyUnknown(DomainError):
    """The project has no such key in force."""

    type: ErrorType = "not_found"
    code = "key_not_found"

    def __init__(self, key_id: str) -> None:
        super().__init__(f"This project has no key {key_id!r} in force.", param="key_id")


class LastSecretKey(DomainError):
    """Without it nobody could speak for the project any more."""

    code = "last_secret_key"

    def __init__(self, key_id: str) -> None:
        super().__init__(f"{key_id} is the project's last secret key; issue a new one before you revoke it.")
