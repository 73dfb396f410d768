"""What Stripe is asked for to open a checkout."""

from stripe.params.checkout import SessionCreateParams, SessionCreateParamsLineItem

from gateways.port import CheckoutOrder


def params(order: CheckoutOrder) -> SessionCreateParams:
    """Literal, so that types are checked against the SDK's: it knows what each API version removed."""
    told = {"payment_id": order.payment_id, "project_id": order.project_id}
    asked: SessionCreateParams = {
        "mode": "subscription" if order.recurring else "payment",
        "line_items": [_line_item(order)],
        "client_reference_id": order.payment_id,
        "metadata": told,
        "success_url": order.success_url,
        "expires_at": int(order.expires_at.timestamp()),
    }
    if order.recurring:
        asked["subscription_data"] = {"metadata": told}
        if order.trial_days:  # Said in so many words: a page does not take over what only the price says.
            asked["subscription_data"]["trial_period_days"] = order.trial_days
    else:
        asked["payment_intent_data"] = {"metadata": told}
    if order.cancel_url is not None:
        asked["cancel_url"] = order.cancel_url
    if order.email is not None:
        asked["customer_email"] = order.email
    return asked


def _line_item(order: CheckoutOrder) -> SessionCreateParamsLineItem:
    if order.metered:
        return {"price": order.price_id}
    return {"price": order.price_id, "quantity": order.quantity}
