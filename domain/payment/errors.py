"""Why something may not be done with a payment."""

from domain.errors import DomainError, ErrorType
from domain.money import display
from domain.payment.state import Payment


class PaymentAlreadySucceeded(DomainError):
    """The money is there: giving it back is a refund."""

    code = "payment_already_succeeded"

    def __init__(self, payment_id: str) -> None:
        super().__init__(f"Payment {payment_id} has succeeded and cannot be canceled; refund it instead.")


class PaymentNotCancelable(DomainError):
    """It ended another way, or the money is on its way."""

    code = "payment_not_cancelable"

    def __init__(self, payment: Payment) -> None:
        super().__init__(
            f"Payment {payment.payment_id} is {payment.status}; only one that nobody has paid yet can be canceled.",
            details={"status": payment.status.value},
        )


class CheckoutAlreadyOpened(DomainError):
    """A second checkout for one payment: a person could pay twice."""

    code = "checkout_already_opened"

    def __init__(self, payment: Payment) -> None:
        super().__init__(f"Payment {payment.payment_id} already has the checkout {payment.checkout_id}.")


class CheckoutNotKnownYet(DomainError):
    """The gateway was asked to open a page and has not answered: there may be one to close, or not."""

    code = "checkout_not_known_yet"
    retry_after_seconds = 5

    def __init__(self, payment_id: str) -> None:
        super().__init__(
            f"Whether the gateway holds a page open for payment {payment_id} is not known yet; ask again in a moment."
        )


class PaymentEnded(DomainError):
    """It ended unpaid. A customer who still wants to pay needs a new one."""

    code = "payment_ended"

    def __init__(self, payment: Payment) -> None:
        super().__init__(
            f"Payment {payment.payment_id} is {payment.status}; start a new one, with a new Idempotency-Key.",
            details={"status": payment.status.value},
        )


class PaymentNotPaid(DomainError):
    """There is no money to give back (yet)."""

    code = "payment_not_paid"

    def __init__(self, payment: Payment) -> None:
        super().__init__(
            f"Payment {payment.payment_id} is {payment.status}; only one that has succeeded can be refunded."
            " One that nobody has paid yet can be canceled.",
            details={"status": payment.status.value},
        )


class NothingToRefund(DomainError):
    """It cost nothing."""

    code = "nothing_to_refund"

    def __init__(self, payment_id: str) -> None:
        super().__init__(f"Payment {payment_id} was free of charge: there is nothing to give back.")


class TakingUnknown(DomainError):
    """It was paid, but not through the gateway as far as that knows: an invoice can be paid by bank transfer, or by hand."""

    code = "gateway_payment_unknown"

    def __init__(self, payment_id: str) -> None:
        super().__init__(
            f"The gateway knows of nothing that it took for payment {payment_id}, so it can give nothing back: look up in its"
            " dashboard how the invoice was paid, and give the money back in the same way. If it was paid only just now, try"
            " again in a minute."
        )


class PaymentDisputed(DomainError):
    """The customer's bank has the money, or will: whoever refunds it pays twice."""

    code = "payment_disputed"

    def __init__(self, payment: Payment) -> None:
        super().__init__(
            f"Payment {payment.payment_id} is disputed ({payment.dispute_status}), and the bank already takes its money back;"
            " answer the dispute at the gateway instead.",
            details={"dispute_status": payment.dispute_status},
        )


class RefundExceedsPayment(DomainError):
    """More than is left: of what was paid, some went back already, or is set aside for refunds under way."""

    code = "refund_exceeds_payment"

    def __init__(self, payment: Payment, asked_minor: int | None) -> None:
        left = payment.refundable_minor
        wanted = f"{display(asked_minor, payment.currency)} of" if asked_minor is not None else "Nothing of"
        super().__init__(
            f"{wanted} payment {payment.payment_id} cannot be refunded: {display(left, payment.currency)} is left, after"
            f" {display(payment.refunded_minor, payment.currency)} that went back and"
            f" {display(payment.reserved_minor, payment.currency)} set aside for refunds under way.",
            param=None if asked_minor is None else "amount",
            details={"amount_left": left, "currency": payment.currency},
        )


class PaymentUnknown(DomainError):
    """This project has no such payment."""

    type: ErrorType = "not_found"
    code = "payment_not_found"

    def __init__(self, payment_id: str) -> None:
        super().__init__(f"This project has no payment {payment_id!r}.", param="payment_id")


class SuccessUrlMissing(DomainError):
    """The gateway must know where to send the customer who has paid."""

    type: ErrorType = "validation_error"
    code = "success_url_missing"

    def __init__(self) -> None:
        super().__init__(
            "Say where the customer goes after paying: send `success_url`, or set one for the project.",
            param="success_url",
        )


class PriceInactive(DomainError):
    """The gateway does not sell at this price any more."""

    type: ErrorType = "validation_error"
    code = "price_inactive"

    def __init__(self, price_id: str) -> None:
        super().__init__(f"Price {price_id!r} is not active at the gateway; use another.", param="price_id")


class CustomerErased(DomainError):
    """Everything personal about this customer was destroyed at their wish: nothing new can be kept for them."""

    code = "customer_erased"

    def __init__(self, user_id: str) -> None:
        super().__init__(f"The customer {user_id!r} was erased; use a new user_id for a new customer.", param="user_id")
