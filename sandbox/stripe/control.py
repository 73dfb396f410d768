"""Control calls under /sandbox, for programs and tests: what Stripe has no call for. No key is asked for. JSON in and out.

| call | body | answer |
|---|---|---|
| `GET /sandbox/health` | | 200 `{"status": "ok"}` |
| `GET /sandbox` | | this table |
| `POST /sandbox/checkout/{id}/pay` | one of `card_number` (with `exp_month`, `exp_year`, `cvc` where wanted), `iban`, \
`routing_number` + `account_number`, or nothing where nothing is due; `email`, `name`; `settle_after_seconds` for a debit \
| the outcome, or Stripe's error (402 when declined) |
| `POST /sandbox/checkout/{id}/authenticate` | `{"outcome": "approve"}` or `"fail"` | the outcome, or Stripe's error |
| `POST /sandbox/checkout/{id}/settle` | `{"outcome": "succeed"}` or `"fail"` | the outcome of the debit |
| `POST /sandbox/checkout/{id}/expire` | | the session expires as if its time had come |
| `POST /sandbox/refunds/{id}/settle` | `{"outcome": "succeed"}`, `"fail"`, `"cancel"` or `"require_action"` | the refund |
| `POST /sandbox/charges/{id}/dispute` | `amount` (all of it), `reason`, `inquiry` (false) | the dispute that its holder opens |
| `POST /sandbox/disputes/{id}/settle` | `{"outcome": "win"}` or `"lose"` | the dispute, as the bank decided it |
| `GET /sandbox/clock` | | `{"now", "offset_seconds"}` |
| `POST /sandbox/clock` | `{"offset_seconds": n}` | the same: the clock is set at once, forward or back |
| `POST /sandbox/clock/advance` | `{"seconds": n}` or `{"to": second}` | the same, once all that was due on the way has \
happened, each thing at its own time |
| `GET /sandbox/billing`, `POST /sandbox/billing` | `{"draft_seconds", "retry_days": […], "after_retries": "cancel", \
"unpaid" or "past_due", "upcoming_days"}`, some or all | how the account bills |
| `GET /sandbox/counts` | | `{"checkout_sessions", "payment_intents", "charges", "refunds", "disputes", "events"}`: \
how many there really are |
| `GET /sandbox/deliveries` | query `state`, `event` | `{"held", "deliveries": [{"id", "event", "type", "endpoint", \
"state", "attempts", "due", "outcome"}]}` |
| `POST /sandbox/deliveries/hold` | | nothing is sent from now on |
| `POST /sandbox/deliveries/release` | `{"events": [ids, to go first in this order], "order": "made", "reversed" or \
"shuffled", "rest": "send", "hold" or "drop", "seed", "copies", "most_copies" (1 to that many, drawn by the seed), \
"at_once"}` | sends what waits, then lets go: `{"sent": [{"event", "type", "outcomes"}]}` |
| `POST /sandbox/deliveries/drop` | `{"types": […]}`, `{"event": id}` or nothing: all; with `fraction` and `seed` only \
that part | loses what waits: `{"dropped": [event ids]}` |
| `POST /sandbox/deliveries/losses` | `{"fraction": 0.3, "seed": n, "types": […]}` | from now on so much is lost |
| `POST /sandbox/deliveries/settle` | `{"within_seconds": 10}` | `{"settled"}`: whether nothing waits any more by then |
| `POST /sandbox/events/{id}/deliver` | `{"copies": n}` | sends it again, n at once: `{"outcomes": […]}` |
| `GET /sandbox/limits`, `POST /sandbox/limits` | `{"per_second", "per_endpoint"}`, null: none | what is above is \
answered with 429 `rate_limit` |
| `GET /sandbox/faults` | | `{"faults": […]}` still to come, `{"kinds": {…}}` |
| `POST /sandbox/faults` | `{"kind", "path" (may hold *), "method", "times", "seconds", "spared"}` | the next calls go wrong, \
after `spared` that go well |
| `DELETE /sandbox/faults` | | no fault any more |

The outcome of a payment is `{"id", "status": "complete", "requires_action" or "open", "payment_status", "payment_intent", \
"payment_intent_status"}`. The outcome of a delivery is a status such as `"200"`, or the name of a network error.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from sandbox.stripe.account import Account
from sandbox.stripe.billing.terms import agree
from sandbox.stripe.disorder import Release
from sandbox.stripe.errors import StripeRefusal, wrong_state
from sandbox.stripe.faults import KINDS, Fault
from sandbox.stripe.ids import new_id
from sandbox.stripe.losses import Losses, lose, losses_of
from sandbox.stripe.means import read_means
from sandbox.stripe.paying import authenticate, awaits_authentication, pay, settle
from sandbox.stripe.resources import checkout_sessions, disputes, refunds
from sandbox.stripe.resources.payment_methods import payer_of
from sandbox.stripe.store import JsonObject

COUNTED = {
    "checkout_sessions": "checkout.session",
    "payment_intents": "payment_intent",
    "charges": "charge",
    "refunds": "refund",
    "disputes": "dispute",
    "events": "event",
}


Told = TypeVar("Told")


@dataclass(frozen=True)
class ControlCall:
    """One control call: the id in its address (or ""), and the JSON that was sent with it."""

    account: Account
    id: str
    told: JsonObject

    def number(self, name: str, otherwise: float) -> float:
        value = self.told.get(name, otherwise)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise StripeRefusal(400, f"{name} must be a number.", param=name)
        return value

    def told_as(self, kind: type[Told]) -> Told:
        """What was sent as one of our own records. Refuses (400) fields that it does not have, or that do not fit."""
        try:
            return kind(**self.told)
        except TypeError as error:
            names = ", ".join(field.name for field in fields(kind))  # type: ignore[arg-type]
            raise StripeRefusal(400, f"What can be said here is {names}: {error}") from error

    def outcome(self, good: str, bad: str) -> bool:
        return self.one_of(good, bad) == good

    def one_of(self, *outcomes: str) -> str:
        if self.told.get("outcome") not in outcomes:
            message = f"Say what happens: outcome must be {', '.join(outcomes[:-1])} or {outcomes[-1]}."
            raise StripeRefusal(400, message, param="outcome")
        return str(self.told["outcome"])


Handler = Callable[[ControlCall], Awaitable[JsonObject]]


# Paying, as a program does it.


async def pay_checkout(call: ControlCall) -> JsonObject:
    account = call.account
    session = account.store.get("checkout.session", call.id)
    typed = {name: str(value) for name, value in call.told.items()}
    payer = payer_of(account, session, typed.get("email"), typed.get("name"))
    wait = call.number("settle_after_seconds", account.settings.settlement_seconds)
    with account.store.transaction():
        return outcome(account, pay(account, call.id, read_means(typed, account.clock.month()), payer, wait))


async def authenticate_checkout(call: ControlCall) -> JsonObject:
    approved = call.outcome("approve", "fail")
    with call.account.store.transaction():
        return outcome(call.account, authenticate(call.account, call.id, approved))


async def settle_checkout(call: ControlCall) -> JsonObject:
    good = call.outcome("succeed", "fail")
    with call.account.store.transaction():
        return outcome(call.account, settle(call.account, call.id, good))


async def expire_checkout(call: ControlCall) -> JsonObject:
    with call.account.store.transaction():
        checkout_sessions.expire_when_due(call.account, call.id)
        return outcome(call.account, call.account.store.get("checkout.session", call.id))


def outcome(account: Account, session: JsonObject) -> JsonObject:
    intent = account.store.find(session["payment_intent"]) if session["payment_intent"] else None
    return {
        "id": session["id"],
        "status": "requires_action" if awaits_authentication(account, session) else session["status"],
        "payment_status": session["payment_status"],
        "payment_intent": session["payment_intent"],
        "payment_intent_status": None if intent is None else intent["status"],
    }


# What happens to the money afterwards.


async def settle_refund(call: ControlCall) -> JsonObject:
    outcome = call.one_of("succeed", "fail", "cancel", "require_action")
    refund = call.account.store.get("refund", call.id)
    if refund["status"] in refunds.OVER:
        raise wrong_state(f"Refund {call.id} is {refund['status']} already.")
    with call.account.store.transaction():
        if outcome == "fail":
            return refunds.fail(call.account, refund, "expired_or_canceled_card")
        settle = {"succeed": refunds.succeed, "cancel": refunds.cancel, "require_action": refunds.require_action}
        return settle[outcome](call.account, refund)


async def dispute_charge(call: ControlCall) -> JsonObject:
    charge = call.account.store.get("charge", call.id)
    complaint = disputes.Complaint(
        reason=str(call.told.get("reason", "fraudulent")),
        amount=int(call.number("amount", charge["amount"])),
        inquiry=call.told.get("inquiry") is True,
    )
    with call.account.store.transaction():
        return disputes.make(call.account, charge, complaint)


async def settle_dispute(call: ControlCall) -> JsonObject:
    won = call.outcome("win", "lose")
    dispute = call.account.store.get("dispute", call.id)
    if dispute["status"] not in disputes.OPEN:
        raise wrong_state(f"Dispute {call.id} is {dispute['status']} already.")
    with call.account.store.transaction():
        return disputes.decide(call.account, dispute, won)


# Time, counts, deliveries, faults.


async def read_clock(call: ControlCall) -> JsonObject:
    return {"now": call.account.clock.now(), "offset_seconds": call.account.clock.offset_seconds}


async def set_clock(call: ControlCall) -> JsonObject:
    if "offset_seconds" not in call.told:
        raise StripeRefusal(400, "Say offset_seconds; to let time pass there is /sandbox/clock/advance.")
    call.account.clock.set_offset(call.number("offset_seconds", 0))
    call.account.agenda.look_again()
    return await read_clock(call)


async def advance_clock(call: ControlCall) -> JsonObject:
    """The whole account's; what is under a test clock goes by that alone."""
    now = call.account.clock.now()
    moment = call.number("to", now + call.number("seconds", 0))
    if moment < now - 1:
        raise StripeRefusal(400, "A clock is advanced, not turned back.", param="to")
    await call.account.agenda.advance(moment)
    return await read_clock(call)


async def read_terms(call: ControlCall) -> JsonObject:
    return asdict(call.account.terms)


async def set_terms(call: ControlCall) -> JsonObject:
    agree(call.account.store, call.account.terms.changed(call.told))
    return await read_terms(call)


async def count(call: ControlCall) -> JsonObject:
    return {name: call.account.store.count(kind) for name, kind in COUNTED.items()}


async def list_deliveries(call: ControlCall) -> JsonObject:
    found = call.account.deliveries.listed(call.told.get("state"), call.told.get("event"))
    return {"held": call.account.deliveries.held, "deliveries": found}


async def hold_deliveries(call: ControlCall) -> JsonObject:
    call.account.disorder.hold()
    return {"held": True}


async def release_deliveries(call: ControlCall) -> JsonObject:
    return {"sent": await call.account.disorder.release(call.told_as(Release))}


async def drop_deliveries(call: ControlCall) -> JsonObject:
    fraction, seed = call.number("fraction", 1), int(call.number("seed", 0))
    return {"dropped": call.account.disorder.drop(call.told.get("types"), call.told.get("event"), fraction, seed)}


async def lose_deliveries(call: ControlCall) -> JsonObject:
    lose(call.account.store, call.told_as(Losses))
    return asdict(losses_of(call.account.store))


async def settle_deliveries(call: ControlCall) -> JsonObject:
    return {"settled": await call.account.disorder.settled(call.number("within_seconds", 10))}


async def deliver_again(call: ControlCall) -> JsonObject:
    call.account.store.get("event", call.id)
    return {"outcomes": await call.account.disorder.repeat(call.id, int(call.number("copies", 1)))}


async def read_limits(call: ControlCall) -> JsonObject:
    return {"per_second": call.account.limits.per_second, "per_endpoint": call.account.limits.per_endpoint}


async def set_limits(call: ControlCall) -> JsonObject:
    call.account.limits.set(call.told.get("per_second"), call.told.get("per_endpoint"))
    return await read_limits(call)


async def list_faults(call: ControlCall) -> JsonObject:
    return {"faults": call.account.faults.open(), "kinds": KINDS}


async def order_fault(call: ControlCall) -> JsonObject:
    call.account.faults.order(call.told_as(Fault))
    return await list_faults(call)


async def clear_faults(call: ControlCall) -> JsonObject:
    call.account.faults.clear()
    return await list_faults(call)


async def tell_health(_call: ControlCall) -> JsonObject:
    return {"status": "ok"}


ORDERS: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/sandbox/health", tell_health),
    ("POST", "/sandbox/checkout/{id}/pay", pay_checkout),
    ("POST", "/sandbox/checkout/{id}/authenticate", authenticate_checkout),
    ("POST", "/sandbox/checkout/{id}/settle", settle_checkout),
    ("POST", "/sandbox/checkout/{id}/expire", expire_checkout),
    ("POST", "/sandbox/refunds/{id}/settle", settle_refund),
    ("POST", "/sandbox/charges/{id}/dispute", dispute_charge),
    ("POST", "/sandbox/disputes/{id}/settle", settle_dispute),
    ("GET", "/sandbox/clock", read_clock),
    ("POST", "/sandbox/clock", set_clock),
    ("POST", "/sandbox/clock/advance", advance_clock),
    ("GET", "/sandbox/billing", read_terms),
    ("POST", "/sandbox/billing", set_terms),
    ("GET", "/sandbox/counts", count),
    ("GET", "/sandbox/deliveries", list_deliveries),
    ("POST", "/sandbox/deliveries/hold", hold_deliveries),
    ("POST", "/sandbox/deliveries/release", release_deliveries),
    ("POST", "/sandbox/deliveries/drop", drop_deliveries),
    ("POST", "/sandbox/deliveries/losses", lose_deliveries),
    ("POST", "/sandbox/deliveries/settle", settle_deliveries),
    ("POST", "/sandbox/events/{id}/deliver", deliver_again),
    ("GET", "/sandbox/limits", read_limits),
    ("POST", "/sandbox/limits", set_limits),
    ("GET", "/sandbox/faults", list_faults),
    ("POST", "/sandbox/faults", order_fault),
    ("DELETE", "/sandbox/faults", clear_faults),
)


def routes(account: Account) -> list[Route]:
    orders = [Route(path, _serve(account, handle), methods=[method]) for method, path, handle in ORDERS]
    return [Route("/", _explain), Route("/sandbox", _explain), *orders]


async def _explain(_request: Request) -> Response:
    return PlainTextResponse(__doc__ or "")


def _serve(account: Account, handle: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        try:
            told = await _told(request)
            return JSONResponse(await handle(ControlCall(account, request.path_params.get("id", ""), told)))
        except StripeRefusal as refusal:
            return JSONResponse(refusal.body, refusal.status, {"Request-Id": new_id("req")})

    return serve


async def _told(request: Request) -> JsonObject:
    """The JSON that was sent, an empty body being `{}`; of a GET, its query."""
    if request.method == "GET":
        return dict(request.query_params)
    try:
        told: Any = json.loads(await request.body() or b"{}")
    except ValueError as error:
        raise StripeRefusal(400, "The body is not JSON.") from error
    if not isinstance(told, dict):
        raise StripeRefusal(400, "The body must be a JSON object.")
    return told
