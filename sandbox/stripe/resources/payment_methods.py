"""Payment methods: the card or bank account that a payer used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sandbox.stripe.account import Account
from sandbox.stripe.api import Call, Endpoint
from sandbox.stripe.cards import Card
from sandbox.stripe.ids import new_id
from sandbox.stripe.means import Means, kind_of
from sandbox.stripe.parameters import record
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


def make(account: Account, means: Means, payer: Payer, customer: str | None = None) -> JsonObject:
    kind = kind_of(means)
    method = {
        "id": new_id("pm"),
        "object": "payment_method",
        "allow_redisplay": "limited",
        "billing_details": payer.billing_details(),
        kind: means.shown() | _only_here(means),
        "created": account.clock.second(),
        "customer": customer,
        "customer_account": None,
        "livemode": False,
        "metadata": {},
        "type": kind,
    }
    return account.store.add(method)


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


def retrieve(call: Call) -> JsonObject:
    return call.account.store.get("payment_method", call.path["id"])


ENDPOINTS = (Endpoint("GET", "/v1/payment_methods/{id}", retrieve, record()),)
