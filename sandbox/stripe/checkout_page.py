"""The hosted checkout page: an order, a form to pay it, a step at the bank. Works without JavaScript."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sandbox.stripe.account import Account
from sandbox.stripe.banks import TEST_IBANS, TEST_ROUTING_NUMBER, TEST_US_ACCOUNTS
from sandbox.stripe.cards import TEST_CARDS
from sandbox.stripe.errors import StripeRefusal, card_refused
from sandbox.stripe.means import read_means
from sandbox.stripe.order import read_order
from sandbox.stripe.pages import CARD_FIELDS, HEADERS, card_fields, read_form, render, way_back
from sandbox.stripe.parameters import EMAIL
from sandbox.stripe.paying import authenticate, awaits_authentication, pay
from sandbox.stripe.resources.payment_methods import known_email, payer_of
from sandbox.stripe.store import JsonObject

# Which field of the form a refusal is about, by Stripe's name for it.
FIELDS = {
    **CARD_FIELDS,
    "email": "email",
    "iban": "iban",
    "routing_number": "routing_number",
    "account_number": "account_number",
    "card_number": "card_number",
}
SHOWN_AT_ONCE = 5


def routes(account: Account) -> list[Route]:
    return [
        Route("/c/pay/{id}", _serve(account, show), methods=["GET"]),
        Route("/c/pay/{id}", _serve(account, submit), methods=["POST"]),
        Route("/c/pay/{id}/authenticate", _serve(account, show_step), methods=["GET"]),
        Route("/c/pay/{id}/authenticate", _serve(account, take_step), methods=["POST"]),
    ]


View = Callable[[Account, Request, JsonObject], Awaitable[Response]]


def _serve(account: Account, view: View) -> Callable[[Request], Awaitable[Response]]:
    """Views of a session that exists; another address has a page that says so."""

    async def serve(request: Request) -> Response:
        session = account.store.find(request.path_params["id"])
        if session is None or session["object"] != "checkout.session":
            return render(request, "unknown.html", {"what": "checkout"}, 404)
        return await view(account, request, session)

    return serve


# The order and its form.


async def show(account: Account, request: Request, session: JsonObject) -> Response:
    if session["status"] != "open":
        return _closed(account, request, session)
    query = request.query_params
    filled = {"email": known_email(account, session) or "", "method": _offered(session)[0]}
    filled |= _hinted(query)
    return _form(account, request, session, filled)


def _hinted(query: Mapping[str, str]) -> dict[str, str]:
    """A hint that was clicked without JavaScript fills the form by coming back in the address."""
    if "card" in query:
        return {"method": "card", "card_number": query["card"], "expiry": "12 / 34", "cvc": "123"}
    if "account" in query:
        account = {"account_number": query["account"], "routing_number": TEST_ROUTING_NUMBER}
        return {"method": "us_bank_account", **account}
    return {"method": "sepa_debit", "iban": query["iban"]} if "iban" in query else {}


async def submit(account: Account, request: Request, session: JsonObject) -> Response:
    typed = await read_form(request)
    if session["status"] != "open":  # Two clicks, or another window was faster
        return RedirectResponse(request.url.path, 303)
    try:
        with account.store.transaction():
            session = _pay(account, session, typed)
    except StripeRefusal as refusal:
        return _form(account, request, account.store.get("checkout.session", session["id"]), typed, refusal)
    if awaits_authentication(account, session):
        return RedirectResponse(f"{request.url.path}/authenticate", 303)
    return _thanks(session)


def _pay(account: Account, session: JsonObject, typed: dict[str, str]) -> JsonObject:
    if not EMAIL.fullmatch(typed.get("email", "")):
        raise card_refused("Please enter the e-mail address that the receipt goes to.", "email_invalid", param="email")
    means = None
    if read_order(account.store, session).needs_means:
        means = read_means(_fields_of(typed), account.clock.month())
    payer = payer_of(account, session, typed["email"], typed.get("name"))
    return pay(account, session["id"], means, payer, account.settings.settlement_seconds)


def _fields_of(typed: dict[str, str]) -> dict[str, str]:
    """The fields of the method that was chosen, each present: what is empty here is an error, not left out."""
    if typed.get("method") == "sepa_debit":
        return {"iban": typed.get("iban") or "-"}
    if typed.get("method") == "us_bank_account":
        return {name: typed.get(name) or "-" for name in ("routing_number", "account_number")}
    return card_fields(typed)


def _form(
    account: Account,
    request: Request,
    session: JsonObject,
    filled: Mapping[str, str],
    refusal: StripeRefusal | None = None,
) -> Response:
    error = None if refusal is None else refusal.error
    context = {
        "order": read_order(account.store, session),
        "session": session,
        "filled": filled,
        "offered": _offered(session),
        "chosen": filled.get("method", "card"),
        "wrong": FIELDS.get(error.get("param", "")) if error else None,
        "message": error["message"] if error else None,
        "back": way_back(session["cancel_url"]),
        "cards": list(TEST_CARDS.values())[:SHOWN_AT_ONCE],
        "more_cards": list(TEST_CARDS.values())[SHOWN_AT_ONCE:],
        "ibans": list(TEST_IBANS.values()),
        "us_accounts": list(TEST_US_ACCOUNTS.values()),
        "test_routing_number": TEST_ROUTING_NUMBER,
    }
    return render(request, "checkout.html", context, 200 if refusal is None else refusal.status)


def _offered(session: JsonObject) -> list[str]:
    """The methods to choose from. A US account is for dollars, an IBAN for the rest; programs may use either."""
    other = "sepa_debit" if session["currency"] == "usd" else "us_bank_account"
    kept = [method for method in session["payment_method_types"] if method != other]
    return kept or list(session["payment_method_types"])


# The step at the bank.


async def show_step(account: Account, request: Request, session: JsonObject) -> Response:
    if not awaits_authentication(account, session):
        return RedirectResponse(f"/c/pay/{session['id']}", 303)
    return render(request, "authenticate.html", {"order": read_order(account.store, session), "session": session})


async def take_step(account: Account, request: Request, session: JsonObject) -> Response:
    typed = await read_form(request)
    if not awaits_authentication(account, session):
        return RedirectResponse(f"/c/pay/{session['id']}", 303)
    try:
        with account.store.transaction():
            session = authenticate(account, session["id"], typed.get("outcome") == "approve")
    except StripeRefusal as refusal:
        session = account.store.get("checkout.session", session["id"])
        return _form(account, request, session, {"email": known_email(account, session) or ""}, refusal)
    return _thanks(session)


# Where it ends.


def _thanks(session: JsonObject) -> Response:
    return RedirectResponse(success_address(session), 303, HEADERS)


def success_address(session: JsonObject) -> str:
    """The shop's page, with the session's id where it asked for it."""
    address = str(session["success_url"])
    for placeholder in ("{CHECKOUT_SESSION_ID}", "%7BCHECKOUT_SESSION_ID%7D"):
        address = address.replace(placeholder, session["id"])
    return address


def _closed(account: Account, request: Request, session: JsonObject) -> Response:
    paid = session["status"] == "complete"
    link = success_address(session) if paid else session["cancel_url"]
    context = {"order": read_order(account.store, session), "back": way_back(link), "state": _state(account, session)}
    return render(request, "paid.html" if paid else "expired.html", context, 200 if paid else 410)


def _state(account: Account, session: JsonObject) -> str:
    """What a person is told about a checkout that is complete: paid, waiting, returned or free."""
    if session["payment_status"] != "unpaid":
        return "paid" if session["payment_status"] == "paid" else "free"
    intent = account.store.find(session["payment_intent"] or "")
    return "waiting" if intent is not None and intent["status"] == "processing" else "returned"
