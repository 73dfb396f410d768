"""Why something may not be done with a subscription."""

from domain.errors import DomainError, ErrorType
from domain.product import Product
from domain.subscription.state import Subscription


class SubscriptionUnknown(DomainError):
    """This project has no such subscription."""

    type: ErrorType = "not_found"
    code = "subscription_not_found"

    def __init__(self, subscription_id: str) -> None:
        super().__init__(f"This project has no subscription {subscription_id!r}.", param="subscription_id")


class SubscriptionEnded(DomainError):
    """It is over. A customer who wants it again needs a new checkout."""

    code = "subscription_ended"

    def __init__(self, subscription: Subscription) -> None:
        super().__init__(
            f"Subscription {subscription.subscription_id} has ended; start a new payment for the product instead.",
            details={"status": subscription.status.value},
        )


class SubscriptionIncomplete(DomainError):
    """Its first payment is still awaited."""

    code = "subscription_incomplete"

    def __init__(self, subscription: Subscription) -> None:
        super().__init__(
            f"Subscription {subscription.subscription_id} is not paid for yet; it can be canceled now, or changed once it is.",
            details={"status": subscription.status.value},
        )


class NothingToResume(DomainError):
    """It is neither paused nor going to end."""

    code = "nothing_to_resume"

    def __init__(self, subscription: Subscription) -> None:
        super().__init__(
            f"Subscription {subscription.subscription_id} is {subscription.status}, neither paused nor canceled;"
            " there is nothing to resume.",
            details={"status": subscription.status.value},
        )


class NothingOwed(DomainError):
    """None of its invoices was tried in vain."""

    code = "nothing_owed"

    def __init__(self, subscription: Subscription) -> None:
        super().__init__(
            f"Subscription {subscription.subscription_id} has no unpaid invoice (it is {subscription.status}); there is"
            " nothing that its customer could pay.",
            details={"status": subscription.status.value},
        )


class CurrencyDoesNotFit(DomainError):
    """A subscription is paid in one currency from its beginning to its end."""

    type: ErrorType = "validation_error"
    code = "currency_does_not_fit"

    def __init__(self, product: Product, currency: str) -> None:
        super().__init__(
            f"Product {product.product_id!r} is sold in {product.price.currency}, and this subscription is paid in"
            f" {currency}; cancel it and start a new payment instead.",
            param="product_id",
        )


class QuantityDoesNotFit(DomainError):
    """Usage decides how much is bought."""

    type: ErrorType = "validation_error"
    code = "quantity_does_not_fit"

    def __init__(self, product_id: str) -> None:
        super().__init__(f"Product {product_id!r} is metered: send no quantity.", param="quantity")
