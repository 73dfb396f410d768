"""Webhook endpoints: where events go, which ones, and in which API version."""

from __future__ import annotations

from sandbox.stripe.account import Account
from sandbox.stripe.api import Call, Endpoint, check_version
from sandbox.stripe.ids import new_id, random_text
from sandbox.stripe.lists import listed, page_of
from sandbox.stripe.parameters import array, listing, metadata, record, text, web_address
from sandbox.stripe.store import JsonObject

# The endpoint that the look-alike was started with keeps this id over restarts.
FIRST = "we_sandbox"


def make(account: Account, id: str, url: str, secret: str, **fields: object) -> JsonObject:
    endpoint = {
        "id": id,
        "object": "webhook_endpoint",
        "api_version": account.settings.api_version,
        "application": None,
        "created": account.clock.second(),
        "description": None,
        "enabled_events": ["*"],
        "livemode": False,
        "metadata": {},
        "status": "enabled",
        "url": url,
        **fields,
    }
    return account.store.add(endpoint, secret=secret)


def put_first(account: Account) -> None:
    """Make or move the endpoint that the look-alike was started with; without an address, put it to sleep."""
    url, secret = account.settings.webhook_url, account.settings.webhook_secret
    endpoint = account.store.find(FIRST)
    if endpoint is None and url is not None:
        make(account, FIRST, url, secret)
    elif endpoint is not None:
        status = "disabled" if url is None else "enabled"
        account.store.replace(endpoint | {"url": url or endpoint["url"], "status": status})
        account.store.hide(FIRST, secret=secret)


def create(call: Call) -> JsonObject:
    """The only answer that shows the secret."""
    if "api_version" in call.params:
        check_version(call.params["api_version"])
    secret = f"whsec_{random_text(32)}"
    endpoint = make(call.account, new_id("we"), secret=secret, **call.params)
    return endpoint | {"secret": secret}


def retrieve(call: Call) -> JsonObject:
    return call.account.store.get("webhook_endpoint", call.path["id"])


def list_endpoints(call: Call) -> JsonObject:
    return listed(call.account.store, "webhook_endpoint", "/v1/webhook_endpoints", page_of(call.params))


def delete(call: Call) -> JsonObject:
    endpoint = retrieve(call)
    call.account.store.remove(endpoint["id"])
    return {"id": endpoint["id"], "object": "webhook_endpoint", "deleted": True}


CREATE = record(
    ["enabled_events", "url"],
    api_version=text(),
    description=text(),
    enabled_events=array(text(), most=250),
    metadata=metadata(),
    url=web_address(),
)

ENDPOINTS = (
    Endpoint("POST", "/v1/webhook_endpoints", create, CREATE),
    Endpoint("GET", "/v1/webhook_endpoints", list_endpoints, listing()),
    Endpoint("GET", "/v1/webhook_endpoints/{id}", retrieve, record()),
    Endpoint("DELETE", "/v1/webhook_endpoints/{id}", delete, record()),
)
