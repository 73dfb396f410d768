"""Payment methods: the card or bank account that a payer used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.stripe.account import STRIPE_ITSELF, Account, Cause
from sandbox.stripe.api import Call, Endpoint
from sandbox.stripe.cards import SAVED_BUT_NEVER_CHARGED, TOKENS, Card, declined
from sandbox.stripe.errors import StripeRefusal, no_such, parameter_missing
from sandbox.stripe.ids import new_id
from sandbox.stripe.lists import given, listed, page_of
from sandbox.stripe.means import Means, kind_of, packed, read_means, unpacked
from sandbox.stripe.parameters import choice, email, integer, listing, metadata, record, text
from sandbox.stripe.resources.events import record_event
from sandbox.stripe.store import JsonObject


@dataclass(frozen=True)
class Payer:
    """Who pays, as they say on the checkout page."""

    email: str
    name: str = "Jenny Rosen"
    country: str = "US"

    def billing_details(self) -> dict[str, Any]:
        return {"address": self.address(), "email": self.email, "name": self.name, "phone": None, "tax_id": None}

    def address(self) -> dict[str, Any]:
        unknown = dict.fromkeys(("city", "line1", "line2", "postal_code", "state"))
        return {"country": self.country, **unknown}


def payer_of(account: Account, session: JsonObject, email: str | None = None, name: str | None = None) -> Payer:
    """Who pays this session: as they say, else as it knows, else Jenny Rosen."""
    said = email or known_email(account, session) or "jenny.rosen@example.com"
    return Payer(said, name or "Jenny Rosen")


def known_email(account: Account, session: JsonObject) -> str | None:
    """What the session or its customer already says."""
    customer = account.store.find(session["customer"]) if session["customer"] else None
    known: str | None = session["customer_email"] or (customer["email"] if customer else None)
    return known


def make(account: Account, means: Means, payer: Payer, metadata: Mapping[str, str] | None = None) -> JsonObject:
    kind = kind_of(means)
    method = {
        "id": new_id("pm"),
        "object": "payment_method",
        "allow_redisplay": "limited",
        "billing_details": payer.billing_details(),
        kind: means.shown() | _only_here(means),
        "created": account.clock.second(),
        "customer": None,
        "customer_account": None,
        "livemode": False,
        "metadata": dict(metadata or {}),
        "type": kind,
    }
    return account.store.add(method, means=packed(means))


def attach(account: Account, method: JsonObject, customer: str, cause: Cause = STRIPE_ITSELF) -> JsonObject:
    """It may be charged again without its owner."""
    method = account.store.replace(method | {"customer": customer})
    record_event(account, "payment_method.attached", method, cause)
    return method


def means_of(account: Account, id: str) -> Means:
    """What a payment method stands for, to charge it again."""
    return unpacked(account.store.hidden(id)["means"])


def _only_here(means: Means) -> dict[str, Any]:
    """What a payment method says about its means, and a charge does not."""
    if isinstance(means, Card):
        brand = means.behaviour.brand
        return {
            "display_brand": brand,
            "generated_from": None,
            "networks": {"available": [brand], "preferred": None},
            "three_d_secure_usage": {"supported": True},
        }
    if means.kind == "sepa_debit":
        return {"generated_from": {"charge": None, "setup_attempt": None}}
    return {
        "financial_connections_account": None,
        "networks": {"preferred": "ach", "supported": ["ach"]},
        "status_details": {},
    }


# The calls.


def create(call: Call) -> JsonObject:
    """A card, from its number or from one of Stripe's tokens for test cards."""
    if "card" not in call.params:
        raise parameter_missing("card")
    card = call.params["card"]
    token = f"pm_card_{card['token'].removeprefix('tok_')}" if "token" in card else None
    if token is not None and token not in TOKENS:
        raise no_such("token", card["token"], param="card[token]", status=400)
    number = card.get("number") if token is None else TOKENS[token]
    if number is None:
        raise parameter_missing("card[number]")
    typed = {
        "card_number": number,
        **{name: str(card[name]) for name in ("exp_month", "exp_year", "cvc") if name in card},
    }
    means = read_means(typed, call.account.clock.month())
    assert means is not None, "a number was given"
    details = call.params.get("billing_details", {})
    payer = Payer(details.get("email", ""), details.get("name", "Jenny Rosen"))
    return make(call.account, means, payer, call.params.get("metadata"))


def retrieve(call: Call) -> JsonObject:
    return call.account.store.get("payment_method", call.path["id"])


def attach_to_customer(call: Call) -> JsonObject:
    """Refuses (402) a card that its issuer would not let be saved."""
    customer = call.account.store.get("customer", call.params["customer"], "customer")
    method = _named(call, customer)
    if method["customer"] not in (None, customer["id"]):
        message = "The payment method you provided has already been attached to a customer."
        raise StripeRefusal(400, message, code="payment_method_unexpected_state")
    refuse_to_save(means_of(call.account, method["id"]))
    return attach(call.account, method, customer["id"], call.cause)


def _named(call: Call, customer: JsonObject) -> JsonObject:
    """The payment method in the address; one of Stripe's tokens there stands for a new one."""
    id = call.path["id"]
    if id not in TOKENS:
        return retrieve(call)
    means = read_means({"card_number": TOKENS[id]}, call.account.clock.month())
    assert means is not None, "a token has a number"
    return make(call.account, means, Payer(customer["email"] or "", customer["name"] or "Jenny Rosen"))


def refuse_to_save(means: Means) -> None:
    """A card is looked at before it is kept. (3-D Secure for saving a card is passed over.)"""
    if isinstance(means, Card) and means.behaviour.decline and means.number != SAVED_BUT_NEVER_CHARGED:
        raise declined(means.behaviour.decline)


def detach(call: Call) -> JsonObject:
    method = retrieve(call)
    if method["customer"] is None:
        message = "The payment method you provided is not attached to a customer so detachment is impossible."
        raise StripeRefusal(400, message)
    previous, method = method, call.account.store.replace(method | {"customer": None})
    record_event(call.account, "payment_method.detached", method, call.cause, {"customer": previous["customer"]})
    return method


def list_methods(call: Call) -> JsonObject:
    """A customer's. Stripe lists none without naming whose."""
    customer = call.path.get("id") or call.params.get("customer")
    if customer is None:
        raise parameter_missing("customer")
    call.account.store.get("customer", customer, None if "id" in call.path else "customer")
    page = page_of(call.params, equal={"customer": customer, **given(call.params, "type")})
    return listed(call.account.store, "payment_method", "/v1/payment_methods", page)


CREATE = record(
    ["type"],
    billing_details=record(email=email(), name=text()),
    card=record(cvc=text(4), exp_month=integer(), exp_year=integer(), number=text(30), token=text()),
    metadata=metadata(),
    type=choice("card"),
)
TYPE = choice("card", "sepa_debit", "us_bank_account")

ENDPOINTS = (
    Endpoint("POST", "/v1/payment_methods", create, CREATE),
    Endpoint("GET", "/v1/payment_methods", list_methods, listing(customer=text(), type=TYPE)),
    Endpoint("GET", "/v1/payment_methods/{id}", retrieve, record()),
    Endpoint("POST", "/v1/payment_methods/{id}/attach", attach_to_customer, record(["customer"], customer=text())),
    Endpoint("POST", "/v1/payment_methods/{id}/detach", detach, record()),
    Endpoint("GET", "/v1/customers/{id}/payment_methods", list_methods, listing(type=TYPE)),
)
