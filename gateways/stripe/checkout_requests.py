"""The exact request that opens a checkout, as bytes: what is kept sealed before the first call is what every call sends."""

import json
from typing import cast

from stripe.params.checkout import SessionCreateParams, SessionCreateParamsLineItem

from gateways.port import CheckoutOrder

API_VERSION = "2026-10-28.endive"


def written(order: CheckoutOrder) -> bytes:
    """`{"api_version", "params"}` as JSON. The same order always gives the same bytes."""
    request = {"api_version": API_VERSION, "params": _params(order)}
    return json.dumps(request, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def read(request: bytes) -> tuple[str, SessionCreateParams]:
    """The API version and the parameters of a request, as they were written by this version or an older one."""
    content = json.loads(request)
    return content["api_version"], cast(SessionCreateParams, content["params"])


def _params(order: CheckoutOrder) -> SessionCreateParams:
    """Literal, so that types are checked against the SDK's: it knows what each API version removed."""
    told = {"payment_id": order.payment_id, "project_id": order.project_id}
    params: SessionCreateParams = {
        "mode": "subscription" if order.recurring else "payment",
        "line_items": [_line_item(order)],
        "client_reference_id": order.payment_id,
        "metadata": told,
        "success_url": order.success_url,
        "expires_at": int(order.expires_at.timestamp()),
    }
    if order.recurring:
        params["subscription_data"] = {"metadata": told}
        if order.trial_days:  # Said in so many words: a page does not take over what only the price says.
            params["subscription_data"]["trial_period_days"] = order.trial_days
    else:
        params["payment_intent_data"] = {"metadata": told}
    if order.cancel_url is not None:
        params["cancel_url"] = order.cancel_url
    if order.email is not None:
        params["customer_email"] = order.email
    return params


def _line_item(order: CheckoutOrder) -> SessionCreateParamsLineItem:
    if order.metered:
        return {"price": order.price_id}
    return {"price": order.price_id, "quantity": order.quantity}
