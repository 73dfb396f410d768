"""The end of a checkout: the session is complete, and what it was for begins."""

from __future__ import annotations

from sandbox.stripe.account import Account
from sandbox.stripe.billing.items import Wanted
from sandbox.stripe.billing.starting import Beginning, by_checkout
from sandbox.stripe.resources import customers, payment_methods
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
    wanted = session["mode"] == "subscription" or session["customer_creation"] == "always"
    if wanted and session["customer"] is None:
        session["customer"] = _new_customer(account, payer)
        _name_customer(account, session)
    if session["mode"] == "subscription":
        _subscribe(account, session, method, is_paid=payment_status != "unpaid")
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


def _name_customer(account: Account, session: JsonObject) -> None:
    """Payment and charge belong to the customer too. Nothing tells of it: Stripe has the customer before the payment."""
    if session["payment_intent"] is None:
        return
    intent = account.store.get("payment_intent", session["payment_intent"])
    account.store.replace(intent | {"customer": session["customer"]})
    charge = account.store.find(intent["latest_charge"] or "")
    if charge is not None:
        account.store.replace(charge | {"customer": session["customer"]})


def _subscribe(account: Account, session: JsonObject, method: JsonObject | None, *, is_paid: bool) -> None:
    """Subscription and first invoice exist only once the checkout is complete. The invoice is open until it is paid."""
    hidden = account.store.hidden(session["id"])
    if method is not None:
        method = payment_methods.attach(account, method, session["customer"])
    parts = [Wanted(item["price"], item["quantity"]) for item in hidden["line_items"] if item["price"]["recurring"]]
    one_offs = [(item["price"], item["quantity"]) for item in hidden["line_items"] if not item["price"]["recurring"]]
    said = {**hidden["subscription_data"], "default_payment_method": method["id"] if method else None}
    beginning = Beginning(customer=session["customer"], parts=parts, said=said, one_offs=one_offs)
    with account.in_time_of(session["customer"]):
        subscription, invoice = by_checkout(account, beginning, session["payment_intent"], is_paid=is_paid)
    session |= {"subscription": subscription["id"], "invoice": invoice["id"]}
    session["payment_intent"] = None  # In this mode the way to it leads over the invoice.
