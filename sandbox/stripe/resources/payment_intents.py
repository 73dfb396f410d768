"""Payment intents: one payment from its start to its end, over all attempts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.stripe.account import STRIPE_ITSELF, Account, Cause
from sandbox.stripe.api import Call, Endpoint
from sandbox.stripe.cards import Decline
from sandbox.stripe.errors import StripeRefusal, wrong_state
from sandbox.stripe.ids import new_id, random_text
from sandbox.stripe.lists import given, listed, page_of
from sandbox.stripe.money import MAXIMUM, MINIMUM, written
from sandbox.stripe.parameters import (
    array,
    boolean,
    choice,
    currency,
    integer,
    listing,
    metadata,
    moment,
    record,
    text,
)
from sandbox.stripe.resources.events import record_event
from sandbox.stripe.store import JsonObject

CANCELABLE = ("requires_payment_method", "requires_capture", "requires_confirmation", "requires_action", "processing")
REASONS = ("duplicate", "fraudulent", "requested_by_customer", "abandoned")


def make(account: Account, parameters: Mapping[str, Any], cause: Cause = STRIPE_ITSELF, **hidden: Any) -> JsonObject:
    """A new intent that still needs a payment method. `hidden` may name the checkout session that it is for."""
    id = new_id("pi")
    intent = {
        "id": id,
        "object": "payment_intent",
        "allowed_payment_method_types": None,
        "amount": parameters["amount"],
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": parameters.get("automatic_payment_methods"),
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic_async",
        "client_secret": f"{id}_secret_{random_text(25)}",
        "confirmation_method": "automatic",
        "created": int(account.clock.wall()),  # A payment intent does not go by a test clock.
        "currency": parameters["currency"],
        "customer": parameters.get("customer"),
        "customer_account": None,
        "description": parameters.get("description"),
        "excluded_payment_method_types": None,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": parameters.get("metadata", {}),
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {},
        "payment_method_types": parameters.get("payment_method_types", ["card"]),
        "presentment_details": None,
        "processing": None,
        "receipt_email": parameters.get("receipt_email"),
        "review": None,
        "setup_future_usage": parameters.get("setup_future_usage"),
        "shipping": None,
        "source": None,
        "statement_descriptor": parameters.get("statement_descriptor"),
        "statement_descriptor_suffix": parameters.get("statement_descriptor_suffix"),
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": None,
    }
    account.store.add(intent, **hidden)
    record_event(account, "payment_intent.created", intent, cause)
    return intent


# What becomes of an intent. Each step writes the new state and its event.


def require_action(account: Account, intent: JsonObject, method: str, page: str) -> JsonObject:
    intent |= {
        "next_action": {
            "type": "use_stripe_sdk",
            "use_stripe_sdk": {"type": "three_d_secure_redirect", "stripe_js": page},
        },
        "payment_method": method,
        "status": "requires_action",
    }
    account.store.replace(intent)
    record_event(account, "payment_intent.requires_action", intent)
    return intent


def begin_processing(account: Account, intent: JsonObject, charge: JsonObject) -> JsonObject:
    intent |= {
        "last_payment_error": None,
        "latest_charge": charge["id"],
        "payment_method": charge["payment_method"],
        "status": "processing",
    }
    account.store.replace(intent)
    record_event(account, "payment_intent.processing", intent)
    return intent


def succeed(account: Account, intent: JsonObject, charge: JsonObject) -> JsonObject:
    intent |= {
        "amount_received": intent["amount"],
        "last_payment_error": None,
        "latest_charge": charge["id"],
        "next_action": None,
        "payment_method": charge["payment_method"],
        "status": "succeeded",
    }
    account.store.replace(intent)
    record_event(account, "payment_intent.succeeded", intent)
    return intent


def fail(account: Account, intent: JsonObject, why: Decline, method: JsonObject, charge: str | None) -> JsonObject:
    """Back to `requires_payment_method`, with the reason: another attempt may follow."""
    error = {
        "type": "card_error" if method["type"] == "card" else "invalid_request_error",
        "code": why.code,
        "message": why.message,
        "doc_url": f"https://docs.stripe.com/error-codes#{why.code.replace('_', '-')}",
        "payment_method": method,
    }
    if why.decline_code is not None:
        error |= {"decline_code": why.decline_code, "advice_code": why.advice_code}
    if charge is not None:
        error["charge"] = charge
    intent |= {
        "last_payment_error": error,
        "latest_charge": charge or intent["latest_charge"],
        "next_action": None,
        "payment_method": None,
        "status": "requires_payment_method",
    }
    account.store.replace(intent)
    record_event(account, "payment_intent.payment_failed", intent)
    return intent


def end(account: Account, intent: JsonObject, reason: str | None, cause: Cause = STRIPE_ITSELF) -> JsonObject:
    """Cancel it, for one of REASONS or one of Stripe's own."""
    intent |= {
        "canceled_at": account.clock.second(),
        "cancellation_reason": reason,
        "next_action": None,
        "status": "canceled",
    }
    account.store.replace(intent)
    record_event(account, "payment_intent.canceled", intent, cause)
    return intent


# The calls.


def create(call: Call) -> JsonObject:
    if "payment_method_types" in call.params and call.since_endive:
        raise method_types_refused()
    refuse_amount(call.params["amount"], call.params["currency"], "amount")
    if "customer" in call.params:
        call.account.store.get("customer", call.params["customer"], "customer")
    return make(call.account, call.params, call.cause)


def method_types_refused() -> StripeRefusal:
    message = (
        "The payment_method_types parameter is no longer supported. Use allowed_payment_method_types or "
        "excluded_payment_method_types, or manage payment methods in the Dashboard."
    )
    code = "payment_method_types_no_longer_supported"
    return StripeRefusal(400, message, code=code, param="payment_method_types")


def refuse_amount(amount: int, currency: str, param: str) -> None:
    """Refuses (400) what is below the least or above the greatest charge in that currency."""
    least = MINIMUM.get(currency, 1)
    if amount < least:
        message = f"Amount must be at least {written(least, currency)} {currency}"
        raise StripeRefusal(400, message, code="amount_too_small", param=param)
    if amount > MAXIMUM:
        message = f"Amount must be no more than {written(MAXIMUM, currency)} {currency}"
        raise StripeRefusal(400, message, code="amount_too_large", param=param)


def retrieve(call: Call) -> JsonObject:
    return call.account.store.get("payment_intent", call.path["id"])


def list_intents(call: Call) -> JsonObject:
    page = page_of(call.params, equal=given(call.params, "customer"))
    return listed(call.account.store, "payment_intent", "/v1/payment_intents", page)


def cancel(call: Call) -> JsonObject:
    intent = retrieve(call)
    if intent["status"] not in CANCELABLE:
        message = (
            f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}. Only a PaymentIntent "
            f"with one of the following statuses may be canceled: {', '.join(CANCELABLE)}."
        )
        raise wrong_state(message, "payment_intent_unexpected_state", payment_intent=intent)
    if "session" in call.account.store.hidden(intent["id"]) and intent["status"] != "requires_capture":
        message = "You cannot cancel the PaymentIntent of a Checkout Session. Expire the Checkout Session instead."
        raise wrong_state(message, "payment_intent_unexpected_state", payment_intent=intent)
    if "invoice" in call.account.store.hidden(intent["id"]):
        message = "You cannot cancel PaymentIntents created by invoices. Void the invoice instead."
        raise wrong_state(message, "payment_intent_unexpected_state", payment_intent=intent)
    return end(call.account, intent, call.params.get("cancellation_reason"), call.cause)


CREATE = record(
    ["amount", "currency"],
    amount=integer(1),
    automatic_payment_methods=record(["enabled"], enabled=boolean(), allow_redirects=choice("always", "never")),
    currency=currency(),
    customer=text(),
    description=text(1000),
    metadata=metadata(),
    payment_method_types=array(text()),
    receipt_email=text(),
    setup_future_usage=choice("off_session", "on_session"),
    statement_descriptor=text(22),
    statement_descriptor_suffix=text(22),
)
CANCEL = record(cancellation_reason=choice(*REASONS))

ENDPOINTS = (
    Endpoint("POST", "/v1/payment_intents", create, CREATE),
    Endpoint("GET", "/v1/payment_intents", list_intents, listing(created=moment(), customer=text())),
    Endpoint("GET", "/v1/payment_intents/{id}", retrieve, record()),
    Endpoint("POST", "/v1/payment_intents/{id}/cancel", cancel, CANCEL),
)
