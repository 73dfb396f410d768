"""How a gateway can disappoint. Adapters translate their library's errors into these at the edge."""

from datetime import timedelta

from domain.errors import Details, DomainError, ErrorType


class GatewayUnavailable(DomainError):
    """It could not be asked, or its answer never came: what it did is unknown."""

    type: ErrorType = "payment_gateway_error"
    code = "gateway_unavailable"
    retry_after_seconds = 5


class GatewayMisconfigured(GatewayUnavailable):
    """It does not let us in: our key is wrong or may not do this. An operator must see to it; no payment is to blame."""

    code = "gateway_misconfigured"
    retry_after_seconds = 60


class GatewayBusy(GatewayUnavailable):
    """There were too many calls: it was not asked, or did not take this one. It did nothing, and is not away."""

    type: ErrorType = "rate_limited"
    code = "gateway_busy"

    def __init__(self, message: str, *, retry_after_seconds: int, details: Details | None = None) -> None:
        super().__init__(message, details=details)
        self.retry_after_seconds = retry_after_seconds

    @property
    def pause(self) -> timedelta:
        assert self.retry_after_seconds is not None, "set with each"
        return timedelta(seconds=self.retry_after_seconds)


class GatewayRefused(DomainError):
    """It understood, and said no: asking again the same way will not help."""

    type: ErrorType = "payment_gateway_error"
    code = "gateway_refused"


class GatewayKeyMismatch(GatewayRefused):
    """Its idempotency key stands with another request."""

    code = "gateway_key_mismatch"


class CheckoutNotOpen(GatewayRefused):
    """The page is complete or closed already."""

    type: ErrorType = "conflict"
    code = "checkout_not_open"


class RefundNotPossible(GatewayRefused):
    """The money is gone already, or disputed, or never was that much."""

    type: ErrorType = "conflict"
    code = "refund_not_possible"


class PriceUnknown(GatewayRefused):
    """No such price there."""

    type: ErrorType = "validation_error"
    code = "price_not_found"

    def __init__(self, price_id: str) -> None:
        super().__init__(
            f"The payment gateway knows no active price {price_id!r}; create it there first, or use the id of another.",
            param="price_id",
        )


class PriceNotFixed(GatewayRefused):
    """What a payment at this price will cost cannot be told beforehand."""

    type: ErrorType = "validation_error"
    code = "price_not_fixed"

    def __init__(self, price_id: str) -> None:
        super().__init__(
            f"Price {price_id!r} has no fixed amount per unit (it has tiers, packages or fractions of a cent, or lets the"
            " customer choose); use one that has.",
            param="price_id",
        )


class PaymentDeclined(GatewayRefused):
    """The customer's means of payment was declined."""

    code = "payment_declined"


class SubscriptionUnknownThere(GatewayRefused):
    """No such subscription there."""

    type: ErrorType = "not_found"
    code = "subscription_unknown_at_gateway"


class SignatureInvalid(DomainError):
    """A webhook that nobody we know has signed, or long ago."""

    type: ErrorType = "authentication_error"
    code = "signature_invalid"


class WebhookUnreadable(DomainError):
    """Signed, but not a webhook of the kind this endpoint takes."""

    type: ErrorType = "validation_error"
    code = "webhook_unreadable"


class NoticeUnmatched(DomainError):
    """It speaks of something that we do not know: not yet, or another service on the same account has made it."""

    type: ErrorType = "not_found"
    code = "notice_unmatched"

    def __init__(self) -> None:
        super().__init__("The notice names nothing that is known here.")


class NoticeUnreadable(DomainError):
    """Genuine, of a type that we act on, in a shape that this version does not know. Kept until one does."""

    type: ErrorType = "system_error"
    code = "notice_unreadable"
