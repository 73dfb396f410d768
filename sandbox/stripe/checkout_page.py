"""The hosted checkout page: an order, a form to pay it, a step at the bank. Works without JavaScript."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates

from sandbox.stripe.account import Account
from sandbox.stripe.banks import TEST_IBANS, TEST_ROUTING_NUMBER, TEST_US_ACCOUNTS
from sandbox.stripe.cards import TEST_CARDS
from sandbox.stripe.errors import StripeRefusal, card_refused
from sandbox.stripe.forms import decode
from sandbox.stripe.means import read_means
from sandbox.stripe.order import read_order
from sandbox.stripe.parameters import EMAIL
from sandbox.stripe.paying import authenticate, awaits_authentication, pay
from sandbox.stripe.resources.payment_methods import known_email, payer_of
from sandbox.stripe.store import JsonObject

FOLDER = Path(__file__).parent / "page"
TEMPLATES = Jinja2Templates(directory=FOLDER / "templates")
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
}

# Which field of the form a refusal is about, by Stripe's name for it.
FIELDS = {
    "number": "card_number",
    "exp_month": "expiry",
    "exp_year": "expiry",
    "cvc": "cvc",
    "email": "email",
    "iban": "iban",
    "routing_number": "routing_number",
    "account_number": "account_number",
    "card_number": "card_number",
}
SHOWN_AT_ONCE = 5
LONGEST_FORM_BYTES = 16_384


def routes(account: Account) -> list[Route | Mount]:
    return [
        Route("/c/pay/{id}", _serve(account, show), methods=["GET"]),
        Route("/c/pay/{id}", _serve(account, submit), methods=["POST"]),
        Route("/c/pay/{id}/authenticate", _serve(account, show_step), methods=["GET"]),
        Route("/c/pay/{id}/authenticate", _serve(account, take_step), methods=["POST"]),
        Mount("/c/assets", StaticFiles(directory=FOLDER / "assets")),
    ]


View = Callable[[Account, Request, JsonObject], Awaitable[Response]]


def _serve(account: Account, view: View) -> Callable[[Request], Awaitable[Response]]:
    """Views of a session that exists; another address has a page that says so."""

    async def serve(request: Request) -> Response:
        session = account.store.find(request.path_params["id"])
        if session is None or session["object"] != "checkout.session":
            return _page(request, "unknown.html", {}, 404)
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
    typed = await _typed(request)
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


def _pay(account: Account, session: JsonObject, typed: Mapping[str, str]) -> JsonObject:
    if not EMAIL.fullmatch(typed.get("email", "")):
        raise card_refused("Please enter the e-mail address that the receipt goes to.", "email_invalid", param="email")
    means = None
    if read_order(account.store, session).needs_means:
        means = read_means(_fields_of(typed), account.clock.month())
    payer = payer_of(account, session, typed["email"], typed.get("name"))
    return pay(account, session["id"], means, payer, account.settings.settlement_seconds)


def _fields_of(typed: Mapping[str, str]) -> dict[str, str]:
    """The fields of the method that was chosen, each present: what is empty here is an error, not left out."""
    if typed.get("method") == "sepa_debit":
        return {"iban": typed.get("iban") or "-"}
    if typed.get("method") == "us_bank_account":
        return {name: typed.get(name) or "-" for name in ("routing_number", "account_number")}
    month, _, year = typed.get("expiry", "").replace(" ", "").partition("/")
    card = {"card_number": typed.get("card_number") or "-", "cvc": typed.get("cvc", "")}
    return {**card, "exp_month": month or "-", "exp_year": year or "-"}


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
        "back": _shop(session["cancel_url"]),
        "cards": list(TEST_CARDS.values())[:SHOWN_AT_ONCE],
        "more_cards": list(TEST_CARDS.values())[SHOWN_AT_ONCE:],
        "ibans": list(TEST_IBANS.values()),
        "us_accounts": list(TEST_US_ACCOUNTS.values()),
        "test_routing_number": TEST_ROUTING_NUMBER,
    }
    return _page(request, "checkout.html", context, 200 if refusal is None else refusal.status)


def _offered(session: JsonObject) -> list[str]:
    """The methods to choose from. A US account is for dollars, an IBAN for the rest; programs may use either."""
    other = "sepa_debit" if session["currency"] == "usd" else "us_bank_account"
    kept = [method for method in session["payment_method_types"] if method != other]
    return kept or list(session["payment_method_types"])


# The step at the bank.


async def show_step(account: Account, request: Request, session: JsonObject) -> Response:
    if not awaits_authentication(account, session):
        return RedirectResponse(f"/c/pay/{session['id']}", 303)
    return _page(request, "authenticate.html", {"order": read_order(account.store, session), "session": session})


async def take_step(account: Account, request: Request, session: JsonObject) -> Response:
    typed = await _typed(request)
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
    context = {"order": read_order(account.store, session), "back": _shop(link), "state": _state(account, session)}
    return _page(request, "paid.html" if paid else "expired.html", context, 200 if paid else 410)


def _state(account: Account, session: JsonObject) -> str:
    """What a person is told about a checkout that is complete: paid, waiting, returned or free."""
    if session["payment_status"] != "unpaid":
        return "paid" if session["payment_status"] == "paid" else "free"
    intent = account.store.find(session["payment_intent"] or "")
    return "waiting" if intent is not None and intent["status"] == "processing" else "returned"


def _shop(address: str | None) -> dict[str, str] | None:
    """A link back: where it leads, and the host that it names."""
    return None if address is None else {"address": address, "host": urlsplit(address).hostname or "the shop"}


async def _typed(request: Request) -> dict[str, str]:
    """The form that was sent, trimmed; one that cannot be read counts as empty."""
    body = await request.body()
    try:
        sent: dict[str, Any] = decode(body) if len(body) <= LONGEST_FORM_BYTES else {}
    except StripeRefusal:
        sent = {}
    return {name: value.strip() for name, value in sent.items() if isinstance(value, str)}


def _page(request: Request, template: str, context: dict[str, Any], status: int = 200) -> Response:
    return TEMPLATES.TemplateResponse(request, template, context, status, HEADERS)
