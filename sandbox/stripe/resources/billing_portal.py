"""Billing portal sessions: a page on which a customer looks after their own subscriptions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.stripe.account import Account
from sandbox.stripe.api import Call, Endpoint
from sandbox.stripe.billing.subscription import has_ended
from sandbox.stripe.errors import StripeRefusal, parameter_invalid, parameter_missing
from sandbox.stripe.ids import new_id
from sandbox.stripe.parameters import choice, record, text, web_address
from sandbox.stripe.resources.events import record_event
from sandbox.stripe.store import JsonObject

KIND = "billing_portal.session"
CONFIGURATION = "bpc_sandbox"  # The account has this one, and none can be made
FLOWS = ("payment_method_update", "subscription_cancel")


def create(call: Call) -> JsonObject:
    account, said = call.account, call.params
    account.store.get("customer", said["customer"], "customer")
    if said.get("configuration", CONFIGURATION) != CONFIGURATION:
        message = f"No such configuration: '{said['configuration']}'"
        raise StripeRefusal(400, message, code="resource_missing", param="configuration")
    id = new_id("bps")
    session = {
        "id": id,
        "object": KIND,
        "after_expiration": None,
        "configuration": CONFIGURATION,
        "created": account.clock.second(),
        "customer": said["customer"],
        "customer_account": None,
        "flow": _flow(account, said) if "flow_data" in said else None,
        "livemode": False,
        "locale": said.get("locale"),
        "on_behalf_of": None,
        "return_url": said.get("return_url"),
        "url": page_address(account, id),
    }
    account.store.add(session)
    record_event(account, f"{KIND}.created", session, call.cause)
    return session


def page_address(account: Account, id: str) -> str:
    return f"{account.settings.base_url}/p/session/{id}"


def _flow(account: Account, said: Mapping[str, Any]) -> JsonObject:
    """The one thing that the customer is sent to do."""
    told = said["flow_data"]
    flow: JsonObject = {
        "after_completion": {
            "hosted_confirmation": None,
            "redirect": None,
            "type": "portal_homepage",
            **told.get("after_completion", {}),
        },
        "customer_update": None,
        "subscription_cancel": None,
        "subscription_pause": None,
        "subscription_update": None,
        "subscription_update_confirm": None,
        "type": told["type"],
    }
    if told["type"] == "subscription_cancel":
        if "subscription_cancel" not in told:
            raise parameter_missing("flow_data[subscription_cancel]")
        id, name = told["subscription_cancel"]["subscription"], "flow_data[subscription_cancel][subscription]"
        subscription = account.store.get("subscription", id, name)
        if subscription["customer"] != said["customer"] or has_ended(subscription) or subscription["cancel_at"]:
            raise parameter_invalid(f"The subscription {id} of this customer cannot be canceled.", name)
        flow["subscription_cancel"] = {"retention": None, "subscription": id}
    return flow


CREATE = record(
    ["customer"],
    configuration=text(),
    customer=text(),
    flow_data=record(
        ["type"],
        after_completion=record(
            ["type"],
            hosted_confirmation=record(custom_message=text(500)),
            redirect=record(["return_url"], return_url=web_address()),
            type=choice("hosted_confirmation", "portal_homepage", "redirect"),
        ),
        subscription_cancel=record(["subscription"], subscription=text()),
        type=choice(*FLOWS),
    ),
    locale=text(10),
    return_url=web_address(),
)

ENDPOINTS = (Endpoint("POST", "/v1/billing_portal/sessions", create, CREATE),)
