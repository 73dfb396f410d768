"""Why use of a product cannot be recorded."""

from datetime import datetime

from domain.errors import DomainError, ErrorType
from domain.usage.events import UsageRecorded


class ProductNotMetered(DomainError):
    """The product has a price that does not depend on its use."""

    type: ErrorType = "validation_error"
    code = "product_not_metered"

    def __init__(self, product_id: str) -> None:
        super().__init__(
            f"Product {product_id!r} is not metered: what it costs does not depend on its use. Send one of type metered.",
            param="product_id",
        )


class NotSubscribed(DomainError):
    """Nobody could be billed for it."""

    type: ErrorType = "conflict"
    code = "not_subscribed"

    def __init__(self, user_id: str, product_id: str) -> None:
        super().__init__(
            f"Customer {user_id!r} has no subscription to {product_id!r} that runs, so there is none to bill this use to; begin"
            " one with a payment for the product, and send this again once it has begun.",
            param="user_id",
        )


class UsedTooLongAgo(DomainError):
    """The gateway counts nothing as old as this."""

    type: ErrorType = "validation_error"
    code = "used_too_long_ago"

    def __init__(self, used_at: datetime, oldest: datetime) -> None:
        super().__init__(
            f"{used_at.isoformat()} is more than 35 days ago, and such use is counted no more: it must not be before"
            f" {oldest.isoformat(timespec='seconds')}.",
            param="used_at",
        )


class UsedInFuture(DomainError):
    """The gateway counts what was used, not what will be."""

    type: ErrorType = "validation_error"
    code = "used_in_future"

    def __init__(self, used_at: datetime, now: datetime) -> None:
        super().__init__(
            f"{used_at.isoformat()} is more than five minutes ahead of now, {now.isoformat(timespec='seconds')}; check your"
            " clock, or send it once it was used.",
            param="used_at",
        )


class IdentifierReused(DomainError):
    """One identifier, two different uses."""

    type: ErrorType = "conflict"
    code = "identifier_reused"

    def __init__(self, recorded: UsageRecorded) -> None:
        super().__init__(
            f"Identifier {recorded.identifier!r} stands for the use of {recorded.quantity} of {recorded.product_id!r} at"
            f" {recorded.used_at.isoformat()}; send the same again, or another identifier.",
            param="identifier",
        )


class UsageUnknown(DomainError):
    """This project has recorded none of this id."""

    type: ErrorType = "not_found"
    code = "usage_not_found"

    def __init__(self, usage_id: str) -> None:
        super().__init__(f"There is no usage {usage_id!r} in this project.")
