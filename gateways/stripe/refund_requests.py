"""What Stripe is asked for to give money back."""

from stripe.params import RefundCreateParams

from gateways.port import RefundOrder

# The reasons that Stripe knows, and acts upon: `fraudulent` blocks the card. Others are the project's own affair.
_REASONS = ("duplicate", "fraudulent", "requested_by_customer")


def params(order: RefundOrder) -> RefundCreateParams:
    """Literal, so that types are checked against the SDK's. The metadata is how the refund is known again as ours."""
    asked: RefundCreateParams = {
        "payment_intent": order.gateway_payment_id,
        "amount": order.amount_minor,
        "metadata": {
            "payment_id": order.payment_id,
            "project_id": order.project_id,
            "refund_id": order.refund_id,
        },
    }
    if order.reason in _REASONS:
        asked["reason"] = order.reason
    return asked
