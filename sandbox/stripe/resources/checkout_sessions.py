"""Checkout sessions: an order with a page on which it can be paid, until it expires."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.stripe.account import STRIPE_ITSELF, Account, Cause
from sandbox.stripe.api import Call, Endpoint
from sandbox.stripe.billing.starting import trial_days
from sandbox.stripe.errors import StripeRefusal, parameter_invalid, parameter_missing, wrong_state
from sandbox.stripe.ids import new_id
from sandbox.stripe.lists import given, listed, page_of, page_within
from sandbox.stripe.parameters import (
    array,
    choice,
    currency,
    email,
    integer,
    listing,
    metadata,
    moment,
    record,
    text,
    web_address,
)
from sandbox.stripe.resources import line_items, payment_intents
from sandbox.stripe.resources.events import record_event
from sandbox.stripe.resources.subscriptions import TRIAL_SETTINGS
from sandbox.stripe.store import JsonObject

LEAST_LIFE_SECONDS = 30 * 60
LONGEST_LIFE_SECONDS = 24 * 3600
CLOCK_SLACK_SECONDS = 60  # The caller's clock and the way to here

ALL_METHODS = ("card", "sepa_debit", "us_bank_account")


# Making one.


def create(call: Call) -> JsonObject:
    params = call.params
    _refuse_removed(call)
    _refuse_combinations(params)
    _refuse_expiry(call.account, params)
    if "customer" in params:
        call.account.store.get("customer", params["customer"], "customer")
    items = line_items.make_all(call.account, params["line_items"], params["mode"])
    due = amount_due(items, params)
    if due > 0:
        payment_intents.refuse_amount(due, items[0]["currency"], "line_items")
    return _make(call.account, params, items, due)


def amount_due(items: list[JsonObject], params: Mapping[str, Any]) -> int:
    """What is to be paid on the page: all of it, or in a trial only what does not recur."""
    trial = params["mode"] == "subscription" and has_trial(items, params.get("subscription_data", {}))
    return sum(item["amount_total"] for item in items if not (trial and item["price"]["recurring"]))


def has_trial(items: list[JsonObject], subscription_data: Mapping[str, Any]) -> bool:
    days = trial_days([item["price"] for item in items], subscription_data)
    return days > 0 or "trial_end" in subscription_data


def _make(account: Account, params: Mapping[str, Any], items: list[JsonObject], due: int) -> JsonObject:
    id, now = new_id("cs_test"), int(account.clock.wall())
    recurring = params["mode"] == "subscription"
    session = {
        "id": id,
        "object": "checkout.session",
        "adaptive_pricing": {"enabled": False},
        "after_expiration": None,
        "allow_promotion_codes": None,
        "allowed_payment_method_types": params.get("allowed_payment_method_types"),
        "amount_subtotal": due,
        "amount_total": due,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "billing_address_collection": params.get("billing_address_collection"),
        "branding_settings": None,
        "cancel_url": params.get("cancel_url"),
        "client_reference_id": params.get("client_reference_id"),
        "client_secret": None,
        "collected_information": None,
        "consent": None,
        "consent_collection": None,
        "created": now,
        "currency": items[0]["currency"],
        "currency_conversion": None,
        "custom_fields": [],
        "custom_text": dict.fromkeys(("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")),
        "customer": params.get("customer"),
        "customer_account": None,
        "customer_creation": None if recurring else params.get("customer_creation", "if_required"),
        "customer_details": None,
        "customer_email": params.get("customer_email"),
        "discounts": [],
        "excluded_payment_method_types": params.get("excluded_payment_method_types"),
        "expires_at": params.get("expires_at", now + LONGEST_LIFE_SECONDS),
        "integration_identifier": params.get("integration_identifier"),
        "invoice": None,
        "invoice_creation": None if recurring else _no_invoice(),
        "livemode": False,
        "locale": params.get("locale"),
        "metadata": params.get("metadata", {}),
        "mode": params["mode"],
        "origin_context": params.get("origin_context"),
        "payment_intent": None,
        "payment_link": None,
        "payment_method_collection": params.get("payment_method_collection", "always" if recurring else "if_required"),
        "payment_method_configuration_details": None,
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": _methods(params),
        "payment_status": "unpaid",
        "permissions": None,
        "phone_number_collection": {"enabled": False},
        "presentment_details": None,
        "recovered_from": None,
        "redirect_on_completion": None,
        "return_url": None,
        "saved_payment_method_options": {
            "allow_redisplay_filters": ["always"],
            "payment_method_remove": "disabled",
            "payment_method_save": None,
        },
        "setup_intent": None,
        "shipping_address_collection": None,
        "shipping_cost": None,
        "shipping_options": [],
        "status": "open",
        "submit_type": params.get("submit_type"),
        "subscription": None,
        "success_url": params["success_url"],
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted_page",
        "url": page_address(account, id),
        "wallet_options": None,
    }
    account.store.add(
        session,
        line_items=items,
        payment_intent_data=params.get("payment_intent_data", {}),
        subscription_data=params.get("subscription_data", {}),
    )
    account.agenda.plan("expire_session", id, session["expires_at"])
    return session


def page_address(account: Account, id: str) -> str:
    return f"{account.settings.base_url}/c/pay/{id}"


def move_pages(account: Account) -> None:
    """After a start at another address, open sessions have their pages there."""
    for session in account.store.every("checkout.session", status="open"):
        account.store.replace(session | {"url": page_address(account, session["id"])})


def _no_invoice() -> JsonObject:
    unset = dict.fromkeys(("account_tax_ids", "custom_fields", "description", "footer", "issuer", "rendering_options"))
    return {"enabled": False, "invoice_data": {**unset, "metadata": {}}}


def _methods(params: Mapping[str, Any]) -> list[str]:
    """What the page offers. Unlike Stripe's it offers bank debits in every currency, for tests of delayed payments."""
    allowed = params.get("allowed_payment_method_types", params.get("payment_method_types", ALL_METHODS))
    excluded = params.get("excluded_payment_method_types", ())
    offered = [method for method in ALL_METHODS if method in allowed and method not in excluded]
    if not offered:
        raise StripeRefusal(400, "No payment method types are left for this Checkout Session.")
    return offered


# What is refused.


def _refuse_removed(call: Call) -> None:
    if "payment_method_types" in call.params and call.since_endive:
        raise payment_intents.method_types_refused()


def _refuse_combinations(params: Mapping[str, Any]) -> None:
    if "customer" in params and "customer_email" in params:
        message = "You may only specify one of these parameters: customer, customer_email."
        raise StripeRefusal(400, message, code="parameters_exclusive", param="customer_email")
    if params["mode"] == "payment" and "subscription_data" in params:
        message = "You can not pass `subscription_data` in `payment` mode."
        raise parameter_invalid(message, "subscription_data")
    if params["mode"] == "subscription" and "payment_intent_data" in params:
        message = "You can not pass `payment_intent_data` in `subscription` mode."
        raise parameter_invalid(message, "payment_intent_data")
    if params["mode"] == "payment" and "payment_method_collection" in params:
        message = "`payment_method_collection` can only be used in `subscription` mode."
        raise parameter_invalid(message, "payment_method_collection")
    if {"trial_end", "trial_period_days"} <= params.get("subscription_data", {}).keys():
        message = "You may only specify one of these parameters: trial_end, trial_period_days."
        raise StripeRefusal(400, message, code="parameters_exclusive", param="subscription_data[trial_end]")
    if params["mode"] == "subscription" and "customer_creation" in params:
        raise parameter_invalid("`customer_creation` can only be used in `payment` mode.", "customer_creation")
    if "line_items" not in params:
        raise parameter_missing("line_items")


def _refuse_expiry(account: Account, params: Mapping[str, Any]) -> None:
    if "expires_at" not in params:
        return
    life = params["expires_at"] - account.clock.wall()
    if life < LEAST_LIFE_SECONDS - CLOCK_SLACK_SECONDS:
        message = "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation."
        raise parameter_invalid(message, "expires_at")
    if life > LONGEST_LIFE_SECONDS + CLOCK_SLACK_SECONDS:
        message = "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation."
        raise parameter_invalid(message, "expires_at")


# Reading and ending.


def retrieve(call: Call) -> JsonObject:
    return call.account.store.get("checkout.session", call.path["id"])


def list_sessions(call: Call) -> JsonObject:
    page = page_of(call.params, equal=given(call.params, "customer", "payment_intent", "status", "subscription"))
    return listed(call.account.store, "checkout.session", "/v1/checkout/sessions", page)


def list_line_items(call: Call) -> JsonObject:
    """In the order in which they were sent, paged by id."""
    session = retrieve(call)
    items = call.account.store.hidden(session["id"])["line_items"]
    return page_within(items, f"/v1/checkout/sessions/{session['id']}/line_items", call.params)


def expire(call: Call) -> JsonObject:
    session = retrieve(call)
    if session["status"] != "open":
        message = (
            'Only Checkout Sessions with a status in ["open"] can be expired. '
            f"This Checkout Session has a status of `{session['status']}`."
        )
        raise wrong_state(message)
    return end(call.account, session, call.cause)


def expire_when_due(account: Account, id: str) -> None:
    """A deed of the agenda."""
    session = account.store.get("checkout.session", id)
    if session["status"] == "open":
        end(account, session)


def end(account: Account, session: JsonObject, cause: Cause = STRIPE_ITSELF) -> JsonObject:
    """Nobody can pay it any more; a payment that was begun is canceled with it."""
    account.agenda.strike("expire_session", session["id"])
    session |= {"status": "expired", "url": None}
    account.store.replace(session)
    if session["payment_intent"] is not None:
        intent = account.store.get("payment_intent", session["payment_intent"])
        payment_intents.end(account, intent, "expired", cause)
    record_event(account, "checkout.session.expired", session, cause)
    return session


CREATE = record(
    ["mode", "success_url"],
    allowed_payment_method_types=array(text()),
    billing_address_collection=choice("auto", "required"),
    cancel_url=web_address(),
    client_reference_id=text(200),
    currency=currency(),
    customer=text(),
    customer_creation=choice("always", "if_required"),
    customer_email=email(),
    excluded_payment_method_types=array(text()),
    expires_at=integer(),
    integration_identifier=text(),
    line_items=line_items.LINE_ITEMS,
    locale=text(10),
    metadata=metadata(),
    mode=choice("payment", "subscription"),
    origin_context=choice("mobile_app", "web"),
    payment_intent_data=record(
        description=text(1000),
        metadata=metadata(),
        receipt_email=email(),
        setup_future_usage=choice("off_session", "on_session"),
        statement_descriptor=text(22),
        statement_descriptor_suffix=text(22),
    ),
    payment_method_collection=choice("always", "if_required"),
    payment_method_types=array(text()),
    submit_type=choice("auto", "book", "donate", "pay", "subscribe"),
    subscription_data=record(
        description=text(500),
        metadata=metadata(),
        trial_end=integer(),
        trial_period_days=integer(1, 730),
        trial_settings=TRIAL_SETTINGS,
    ),
    success_url=web_address(),
    ui_mode=choice("hosted_page", "hosted"),
)
LIST = listing(
    created=moment(),
    customer=text(),
    payment_intent=text(),
    status=choice("open", "complete", "expired"),
    subscription=text(),
)

ENDPOINTS = (
    Endpoint("POST", "/v1/checkout/sessions", create, CREATE),
    Endpoint("GET", "/v1/checkout/sessions", list_sessions, LIST),
    Endpoint("GET", "/v1/checkout/sessions/{id}", retrieve, record()),
    Endpoint("GET", "/v1/checkout/sessions/{id}/line_items", list_line_items, listing()),
    Endpoint("POST", "/v1/checkout/sessions/{id}/expire", expire, record()),
)
