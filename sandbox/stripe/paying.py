"""Paying a checkout: what follows from a card, a bank debit or nothing due. The page and programs take this one way."""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.stripe.account import Account
from sandbox.stripe.banks import RETURNED, BankDebit
from sandbox.stripe.billing import collecting
from sandbox.stripe.cards import Card, Decline, declined
from sandbox.stripe.completion import complete
from sandbox.stripe.errors import StripeRefusal, wrong_state
from sandbox.stripe.means import Means, kind_of
from sandbox.stripe.resources import charges, checkout_sessions, invoice_payments, payment_intents, payment_methods
from sandbox.stripe.resources.events import record_event
from sandbox.stripe.resources.payment_methods import Payer
from sandbox.stripe.store import JsonObject

AUTHENTICATION_FAILED = Decline(
    "payment_intent_authentication_failure",
    "We are unable to authenticate your payment method. Please choose a different payment method and try again.",
)


@dataclass(frozen=True)
class Attempt:
    """One try to pay one session: by whom, with what, and the objects that show it to the account."""

    account: Account
    session: JsonObject
    payer: Payer
    intent: JsonObject
    method: JsonObject


def pay(account: Account, id: str, means: Means | None, payer: Payer, settle_after_seconds: float) -> JsonObject:
    """Pay an open session. Returns it as it is then; a decline is raised (402) and leaves it open for another attempt.

    `means` may be None where nothing is due. A bank debit settles by itself after `settle_after_seconds`.
    """
    session = open_session(account, id)
    if means is None:
        return _pay_nothing(account, session, payer)
    if kind_of(means) not in session["payment_method_types"]:
        message = f"This checkout does not take {kind_of(means)}."
        raise StripeRefusal(400, message, code="payment_method_not_available", param="payment_method")
    if session["amount_total"] == 0:
        return _save_only(account, session, means, payer)
    intent = _intent(account, session)
    attempt = Attempt(account, session, payer, intent, payment_methods.make(account, means, payer))
    if isinstance(means, BankDebit):
        return _debit(attempt, means, settle_after_seconds)
    return _ask_for_authentication(attempt, means) if means.behaviour.asks_3ds else _charge(attempt, means)


def open_session(account: Account, id: str) -> JsonObject:
    session = account.store.get("checkout.session", id)
    if session["status"] != "open":
        raise wrong_state(f"This Checkout Session can no longer be paid: its status is {session['status']}.")
    return session


def _pay_nothing(account: Account, session: JsonObject, payer: Payer) -> JsonObject:
    if session["amount_total"] > 0 or session["payment_method_collection"] == "always":
        message = "Missing required param: card_number."
        raise StripeRefusal(400, message, code="parameter_missing", param="card_number")
    return complete(account, session, "no_payment_required", payer)


def _save_only(account: Account, session: JsonObject, means: Means, payer: Payer) -> JsonObject:
    """A trial, or metered use: the card is looked at and kept."""
    payment_methods.refuse_to_save(means)
    method = payment_methods.make(account, means, payer)
    return complete(account, session, "no_payment_required", payer, method)


def _intent(account: Account, session: JsonObject) -> JsonObject:
    """The session's payment intent: made at the first attempt, the same one at every further attempt."""
    if session["payment_intent"] is not None:
        intent = account.store.get("payment_intent", session["payment_intent"])
        # Somebody may have left the step at their bank and now tries another card.
        return intent | {"status": "requires_payment_method", "next_action": None, "payment_method": None}
    asked_for = account.store.hidden(session["id"])["payment_intent_data"]
    taken_over = {name: session[name] for name in ("currency", "customer", "payment_method_types")}
    parameters = {**asked_for, **taken_over, "amount": session["amount_total"]}
    intent = payment_intents.make(account, parameters, session=session["id"])
    session["payment_intent"] = intent["id"]
    account.store.replace(session)
    return intent


# A card: perhaps a step at the bank, then a charge.


def _ask_for_authentication(attempt: Attempt, card: Card) -> JsonObject:
    account, intent, payer = attempt.account, attempt.intent, attempt.payer
    page = f"{checkout_sessions.page_address(account, attempt.session['id'])}/authenticate"
    payment_intents.require_action(account, intent, attempt.method["id"], page)
    kept_card = [card.number, card.exp_month, card.exp_year]
    account.store.hide(intent["id"], card=kept_card, payer=[payer.email, payer.name])
    return attempt.session


def authenticate(account: Account, id: str, approved: bool) -> JsonObject:
    """The payer approved at their bank, or failed to. Returns the session; a failure or decline is raised (402)."""
    session = open_session(account, id)
    intent = _awaiting(account, session, "requires_action")
    hidden = account.store.hidden(intent["id"])
    method = account.store.get("payment_method", intent["payment_method"])
    if not approved:
        intent = payment_intents.fail(account, intent, AUTHENTICATION_FAILED, method, None)
        raise declined(AUTHENTICATION_FAILED, payment_intent=intent)
    return _charge(Attempt(account, session, Payer(*hidden["payer"]), intent, method), Card(*hidden["card"]))


def _awaiting(account: Account, session: JsonObject, status: str) -> JsonObject:
    """The session's intent, which must be in that status."""
    found = account.store.find(session["payment_intent"]) if session["payment_intent"] else None
    if found is None or found["status"] != status:
        raise wrong_state(f"There is no payment with the status {status} here.", "payment_intent_unexpected_state")
    return found


def awaits_authentication(account: Account, session: JsonObject) -> bool:
    intent = account.store.find(session["payment_intent"]) if session["payment_intent"] else None
    return session["status"] == "open" and intent is not None and intent["status"] == "requires_action"


def _charge(attempt: Attempt, card: Card) -> JsonObject:
    account = attempt.account
    charge = charges.make(account, attempt.intent, attempt.method, card)
    decline = card.behaviour.decline
    if decline is not None:
        charges.fail(account, charge, decline)
        intent = payment_intents.fail(account, attempt.intent, decline, attempt.method, charge["id"])
        raise declined(decline, charge=charge["id"], payment_intent=intent)
    payment_intents.succeed(account, attempt.intent, charges.succeed(account, charge))
    return complete(account, attempt.session, "paid", attempt.payer, attempt.method)


# A bank debit: agreed to now, settled later.


def _debit(attempt: Attempt, debit: BankDebit, settle_after_seconds: float) -> JsonObject:
    account, session = attempt.account, attempt.session
    charge = charges.make(account, attempt.intent, attempt.method, debit)
    intent = payment_intents.begin_processing(account, attempt.intent, charge)
    failure = debit.account.failure
    account.store.hide(intent["id"], failure=None if failure is None else [failure.code, failure.message])
    record_event(account, "charge.pending", charge)
    account.agenda.plan("settle_debit", session["id"], account.clock.now() + settle_after_seconds)
    return complete(account, session, "unpaid", attempt.payer, attempt.method)


def settle_when_due(account: Account, id: str) -> None:
    """A deed of the agenda: the outcome that the test account stands for."""
    session = account.store.get("checkout.session", id)
    settle(account, id, good=account.store.hidden(_debited(account, session)["id"])["failure"] is None)


def settle(account: Account, id: str, good: bool) -> JsonObject:
    """The bank has paid, or returned the debit. Returns the session."""
    session = account.store.get("checkout.session", id)
    intent = _debited(account, session)
    account.agenda.strike("settle_debit", id)
    charge = account.store.get("charge", intent["latest_charge"])
    if good:
        payment_intents.succeed(account, intent, charges.succeed(account, charge))
        session = account.store.replace(session | {"payment_status": "paid"})
        if session["invoice"] is not None:
            collecting.paid(account, account.store.get("invoice", session["invoice"]))
    else:
        why = _return_debit(account, intent, charge)
        if session["invoice"] is not None:
            collecting.returned(account, account.store.get("invoice", session["invoice"]), why)
    outcome = "succeeded" if good else "failed"
    record_event(account, f"checkout.session.async_payment_{outcome}", session)
    return session


def _debited(account: Account, session: JsonObject) -> JsonObject:
    """The intent that is processing. Where a subscription began, the way to it leads over the invoice."""
    if session["invoice"] is None:
        return _awaiting(account, session, "processing")
    intent = invoice_payments.intent_of(account, session["invoice"])
    return _awaiting(account, {"payment_intent": intent["id"] if intent else None}, "processing")


def _return_debit(account: Account, intent: JsonObject, charge: JsonObject) -> Decline:
    told = account.store.hidden(intent["id"])["failure"]
    why = Decline(*told) if told else RETURNED
    charges.fail(account, charge, why)
    method = account.store.get("payment_method", charge["payment_method"])
    payment_intents.fail(account, intent, why, method, charge["id"])
    return why
