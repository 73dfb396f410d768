"""What the hosted pages share: how one is rendered, how its form is read, and the way back to the shop."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates

from sandbox.stripe.errors import StripeRefusal
from sandbox.stripe.forms import decode

FOLDER = Path(__file__).parent / "page"
TEMPLATES = Jinja2Templates(directory=FOLDER / "templates")
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
}
# Which field of a form with a card a refusal is about, by Stripe's name for it; and cards to try there.
CARD_FIELDS = {"number": "card_number", "exp_month": "expiry", "exp_year": "expiry", "cvc": "cvc"}
CARDS_SHOWN = ("4242424242424242", "4000002500003155", "4000000000000341", "4000000000000002")
LONGEST_FORM_BYTES = 16_384

ASSETS = Mount("/c/assets", StaticFiles(directory=FOLDER / "assets"))


def render(request: Request, template: str, context: dict[str, Any], status: int = 200) -> Response:
    return TEMPLATES.TemplateResponse(request, template, context, status, HEADERS)


async def read_form(request: Request) -> dict[str, str]:
    """The form that was sent, trimmed; one that cannot be read counts as empty."""
    body = await request.body()
    try:
        sent: dict[str, Any] = decode(body) if len(body) <= LONGEST_FORM_BYTES else {}
    except StripeRefusal:
        sent = {}
    return {name: value.strip() for name, value in sent.items() if isinstance(value, str)}


def card_fields(typed: dict[str, str]) -> dict[str, str]:
    """The card in a form, each field present: what is empty there is an error, not left out."""
    month, _, year = typed.get("expiry", "").replace(" ", "").partition("/")
    card = {"card_number": typed.get("card_number") or "-", "cvc": typed.get("cvc", "")}
    return {**card, "exp_month": month or "-", "exp_year": year or "-"}


def way_back(address: str | None) -> dict[str, str] | None:
    """A link back: where it leads, and the host that it names."""
    return None if address is None else {"address": address, "host": urlsplit(address).hostname or "the shop"}
