"""Why something may not be done with a payment."""

from domain.errors import DomainError
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
