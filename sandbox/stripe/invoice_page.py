"""The hosted invoice page: what is owed for what, and a card to pay it with. Works without JavaScript."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sandbox.stripe import portal
from sandbox.stripe.account import Account
from sandbox.stripe.billing.collecting import method_for
from sandbox.stripe.billing.invoice import day
from sandbox.stripe.cards import TEST_CARDS
from sandbox.stripe.errors import StripeRefusal
from sandbox.stripe.money import written
from sandbox.stripe.pages import CARD_FIELDS, CARDS_SHOWN, card_fields, read_form, render
from sandbox.stripe.store import JsonObject

SENTENCES = {
    "open": "Please pay this invoice.",
    "paid": "This invoice is paid. Thank you.",
    "uncollectible": "This invoice is written off: there is nothing to do any more.",
    "void": "This invoice is void: there is nothing to pay.",
}


@dataclass(frozen=True)
class Sheet:
    """An invoice as it is read: `lines` are (what, amount)."""

    number: str
    date: str
    total: str
    sentence: str
    lines: list[tuple[str, str]]
    payable: bool


def read_sheet(invoice: JsonObject) -> Sheet:
    currency = invoice["currency"]
    lines = [(line["description"], written(line["amount"], currency)) for line in invoice["lines"]["data"]]
    if invoice["amount_due"] != invoice["total"]:
        carried = invoice["amount_due"] - invoice["total"]
        lines.append(("Carried over", written(carried, currency)))
    return Sheet(
        number=invoice["number"],
        date=day(invoice["effective_at"]),
        total=written(invoice["amount_due"], currency),
        sentence=SENTENCES[invoice["status"]],
        lines=lines,
        payable=invoice["status"] == "open",
    )


def routes(account: Account) -> list[Route]:
    return [
        Route("/i/{id}", _serve(account, show), methods=["GET"]),
        Route("/i/{id}", _serve(account, pay), methods=["POST"]),
    ]


View = Callable[[Account, Request, JsonObject], Awaitable[Response]]


def _serve(account: Account, view: View) -> Callable[[Request], Awaitable[Response]]:
    """Views of an invoice that was sent out; another address has a page that says so."""

    async def serve(request: Request) -> Response:
        invoice = account.store.find(request.path_params["id"])
        if invoice is None or invoice["object"] != "invoice" or invoice["status"] == "draft":
            return render(request, "unknown.html", {"what": "invoice"}, 404)
        with account.in_time_of(invoice["id"]):
            return await view(account, request, invoice)

    return serve


async def show(account: Account, request: Request, invoice: JsonObject) -> Response:
    hinted = request.query_params.get("card")
    filled = {"card_number": hinted, "expiry": "12 / 34", "cvc": "123"} if hinted else {}
    return _page(account, request, invoice, filled)


async def pay(account: Account, request: Request, invoice: JsonObject) -> Response:
    """With a card that is kept for later, or with the one on file where none was typed."""
    typed = await read_form(request)
    if invoice["status"] != "open":  # Two clicks, or a retry was faster
        return RedirectResponse(request.url.path, 303)
    try:
        with account.store.transaction():
            _pay(account, invoice, typed)
    except StripeRefusal as refusal:
        return _page(account, request, account.store.get("invoice", invoice["id"]), typed, refusal)
    return RedirectResponse(request.url.path, 303)


def _pay(account: Account, invoice: JsonObject, typed: dict[str, str]) -> None:
    customer = account.store.get("customer", invoice["customer"])
    if typed.get("with") != "card_on_file":
        portal.change_card(account, customer, card_fields(typed) | {"name": typed.get("name", "")})
    portal.pay(account, invoice)


def _page(
    account: Account,
    request: Request,
    invoice: JsonObject,
    filled: Mapping[str, str],
    refusal: StripeRefusal | None = None,
) -> Response:
    error = None if refusal is None else refusal.error
    context: dict[str, Any] = {
        "cards": [TEST_CARDS[number] for number in CARDS_SHOWN],
        "filled": filled,
        "message": error["message"] if error else None,
        "on_file": portal.card_of(account, method_for(account, invoice)),
        "sheet": read_sheet(invoice),
        "wrong": CARD_FIELDS.get(error.get("param", "")) if error else None,
    }
    return render(request, "invoice.html", context, 200 if refusal is None else refusal.status)
