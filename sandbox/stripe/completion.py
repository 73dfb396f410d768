"""The end of a checkout: the session is complete, and what it was for begins."""

from __future__ import annotations

from sandbox.stripe.account import Account
from sandbox.stripe.resources import customers, invoices, subscriptions
from sandbox.stripe.resources.events import record_event
from sandbox.stripe.resources.payment_methods import Payer
from sandbox.stripe.store import JsonObject


def complete(
    account: Account, session: JsonObject, payment_status: str, payer: Payer, method: JsonObject | None = None
) -> JsonObject:
    """Nobody can pay it again. `payment_status`: paid, unpaid (the outcome comes later) or no_payment_required."""
    account.agenda.strike("expire_session", session["id"])
    session |= {
        "customer_details": _details(payer),
        "payment_status": payment_status,
        "status": "complete",
        "url": None,
    }
    wanted = "always" in (session["customer_creation"], session["payment_method_collection"])
    if wanted and session["customer"] is None:
        session["customer"] = _new_customer(account, payer)
    if session["mode"] == "subscription":
        _subscribe(account, session, method)
    account.store.replace(session)
    record_event(account, "checkout.session.completed", session)
    return session


def _details(payer: Payer) -> JsonObject:
    return {
        "address": payer.address(),
        "business_name": None,
        "email": payer.email,
        "individual_name": None,
        "name": payer.name,
        "phone": None,
        "tax_exempt": "none",
        "tax_ids": [],
    }


def _new_customer(account: Account, payer: Payer) -> str:
    customer = customers.make(account, {"email": payer.email, "name": payer.name})
    record_event(account, "customer.created", customer)
    return str(customer["id"])


def _subscribe(account: Account, session: JsonObject, method: JsonObject | None) -> None:
    """Subscription and first invoice exist only once the checkout is complete."""
    hidden = account.store.hidden(session["id"])
    if method is not None:
        method = account.store.replace(method | {"customer": session["customer"]})
        record_event(account, "payment_method.attached", method)
    subscription = subscriptions.start(
        account,
        hidden["line_items"],
        hidden["subscription_data"],
        session["customer"],
        method["id"] if method else None,
    )
    session["subscription"] = subscription["id"]
    session["invoice"] = invoices.pay_first(account, subscription, session)["id"]
    account.store.replace(subscription | {"latest_invoice": session["invoice"]})
    session["payment_intent"] = None  # In this mode the way to it leads over the invoice.
