"""The billing portal: subscriptions, card and invoices of one customer. Works without JavaScript."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sandbox.stripe import portal
from sandbox.stripe.account import Account
from sandbox.stripe.cards import TEST_CARDS
from sandbox.stripe.errors import StripeRefusal
from sandbox.stripe.pages import CARD_FIELDS, CARDS_SHOWN, card_fields, read_form, render, way_back
from sandbox.stripe.resources.billing_portal import KIND
from sandbox.stripe.store import JsonObject

# Since it was used last. By the time of day: whoever moves the clock does not lock the customer out.
OPEN_SECONDS = 3600.0

REASONS = {
    "too_expensive": "It is too expensive",
    "missing_features": "Something is missing",
    "switched_service": "I use another service now",
    "unused": "I do not use it enough",
    "customer_service": "The customer service",
    "too_complex": "It is too complicated",
    "low_quality": "The quality is too low",
    "other": "Something else",
}
SAID = {
    "canceled": "Your subscription will not be renewed.",
    "kept": "Your subscription goes on.",
    "resumed": "Your subscription goes on. Thank you for paying.",
    "card": "Your new card is saved.",
    "paid": "Thank you. Your payment went through.",
}


def routes(account: Account) -> list[Route]:
    at = "/p/session/{id}"
    return [
        Route(at, _serve(account, show), methods=["GET"]),
        Route(f"{at}/card", _serve(account, show_card), methods=["GET"]),
        Route(f"{at}/card", _serve(account, change_card), methods=["POST"]),
        Route(f"{at}/subscriptions/{{plan}}/cancel", _serve(account, ask_to_cancel), methods=["GET"]),
        Route(f"{at}/subscriptions/{{plan}}/cancel", _serve(account, cancel), methods=["POST"]),
        Route(f"{at}/subscriptions/{{plan}}/keep", _serve(account, keep), methods=["POST"]),
        Route(f"{at}/subscriptions/{{plan}}/resume", _serve(account, resume), methods=["POST"]),
        Route(f"{at}/invoices/{{bill}}/pay", _serve(account, pay), methods=["POST"]),
    ]


class Visit:
    """One request to the portal: whose it is, and where its pages are."""

    def __init__(self, account: Account, request: Request, session: JsonObject, customer: JsonObject) -> None:
        self.account = account
        self.request = request
        self.session = session
        self.customer = customer

    @property
    def home(self) -> str:
        return f"/p/session/{self.session['id']}"

    def back_home(self, said: str) -> Response:
        """To where the shop wants them after a flow, else to the first page, which tells what was done."""
        after = (self.session["flow"] or {}).get("after_completion", {})
        if after.get("type") == "redirect":
            return RedirectResponse(after["redirect"]["return_url"], 303)
        return RedirectResponse(f"{self.home}?said={said}", 303)

    def render(self, template: str, context: dict[str, Any], status: int = 200) -> Response:
        shared = {
            "back": way_back(self.session["return_url"]),
            "home": self.home,
            "overview": portal.overview(self.account, self.customer),
        }
        return render(self.request, template, shared | context, status)


View = Callable[[Visit], Awaitable[Response]]


def _serve(account: Account, view: View) -> Callable[[Request], Awaitable[Response]]:
    """Views of a portal that is open; an address that is wrong or too old has a page that says so."""

    async def serve(request: Request) -> Response:
        session = account.store.find(request.path_params["id"])
        customer = account.store.find(session["customer"]) if session and session["object"] == KIND else None
        if session is None or customer is None or customer.get("deleted") or not _still_open(account, session):
            return render(request, "portal_closed.html", {}, 404)
        with account.in_time_of(customer["id"]):
            return await view(Visit(account, request, session, customer))

    return serve


def _still_open(account: Account, session: JsonObject) -> bool:
    used_at = account.store.hidden(session["id"]).get("used_at", time.time())
    if time.time() - used_at > OPEN_SECONDS:
        return False
    account.store.hide(session["id"], used_at=time.time())
    return True


async def show(visit: Visit) -> Response:
    flow = visit.session["flow"]
    said = visit.request.query_params.get("said", "")
    if flow is not None and not said and not visit.request.query_params.get("home"):
        if flow["type"] == "payment_method_update":
            return RedirectResponse(f"{visit.home}/card", 303)
        return RedirectResponse(f"{visit.home}/subscriptions/{flow['subscription_cancel']['subscription']}/cancel", 303)
    return visit.render("portal.html", {"said": SAID.get(said)})


# The card.


async def show_card(visit: Visit) -> Response:
    hinted = visit.request.query_params.get("card", "")
    filled = {"card_number": hinted, "expiry": "12 / 34", "cvc": "123"} if hinted else {}
    return _card_form(visit, filled)


async def change_card(visit: Visit) -> Response:
    typed = await read_form(visit.request)
    try:
        with visit.account.store.transaction():
            portal.change_card(visit.account, visit.customer, card_fields(typed) | {"name": typed.get("name", "")})
    except StripeRefusal as refusal:
        return _card_form(visit, typed, refusal)
    return visit.back_home("card")


def _card_form(visit: Visit, filled: dict[str, str], refusal: StripeRefusal | None = None) -> Response:
    error = None if refusal is None else refusal.error
    context = {
        "filled": filled,
        "message": error["message"] if error else None,
        "wrong": CARD_FIELDS.get(error.get("param", "")) if error else None,
        "cards": [TEST_CARDS[number] for number in CARDS_SHOWN],
    }
    return visit.render("portal_card.html", context, 200 if refusal is None else refusal.status)


# A subscription.


async def ask_to_cancel(visit: Visit) -> Response:
    found = portal.plan_of(visit.account, visit.customer, visit.request.path_params["plan"])
    if found is None or not found[1].may_cancel:
        return RedirectResponse(f"{visit.home}?home=1", 303)
    return visit.render("portal_cancel.html", {"plan": found[1], "reasons": REASONS})


async def cancel(visit: Visit) -> Response:
    typed = await read_form(visit.request)
    found = portal.plan_of(visit.account, visit.customer, visit.request.path_params["plan"])
    if found is None or not found[1].may_cancel:  # Two clicks, or it has ended meanwhile
        return RedirectResponse(f"{visit.home}?home=1", 303)
    feedback = typed.get("feedback")
    with visit.account.store.transaction():
        portal.cancel(visit.account, found[0], feedback if feedback in REASONS else None)
    return visit.back_home("canceled")


async def keep(visit: Visit) -> Response:
    found = portal.plan_of(visit.account, visit.customer, visit.request.path_params["plan"])
    if found is None or not found[1].may_keep:
        return RedirectResponse(f"{visit.home}?home=1", 303)
    with visit.account.store.transaction():
        portal.keep(visit.account, found[0])
    return visit.back_home("kept")


async def resume(visit: Visit) -> Response:
    found = portal.plan_of(visit.account, visit.customer, visit.request.path_params["plan"])
    if found is None or not found[1].may_resume:
        return RedirectResponse(f"{visit.home}?home=1", 303)
    try:
        with visit.account.store.transaction():
            portal.resume(visit.account, found[0])
    except StripeRefusal as refusal:
        return visit.render("portal.html", {"said": None, "message": refusal.error["message"]}, refusal.status)
    return visit.back_home("resumed")


# An invoice.


async def pay(visit: Visit) -> Response:
    invoice = visit.account.store.find(visit.request.path_params["bill"])
    theirs = invoice is not None and invoice.get("customer") == visit.customer["id"]
    if invoice is None or not theirs or invoice["status"] != "open":
        return RedirectResponse(f"{visit.home}?home=1", 303)
    try:
        with visit.account.store.transaction():
            portal.pay(visit.account, invoice)
    except StripeRefusal as refusal:
        return visit.render("portal.html", {"said": None, "message": refusal.error["message"]}, refusal.status)
    return visit.back_home("paid")
