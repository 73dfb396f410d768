"""The way of an API call: known caller, known version, faults, idempotency, the resource's own code, an answer."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.stripe.account import Account, Cause
from sandbox.stripe.errors import StripeRefusal, advancing, broken, unauthenticated, unknown_address
from sandbox.stripe.expansion import expand
from sandbox.stripe.faults import Break, Fault
from sandbox.stripe.forms import decode
from sandbox.stripe.generations import render
from sandbox.stripe.idempotency import Attempt, Kept
from sandbox.stripe.ids import new_id
from sandbox.stripe.parameters import Reader, array, text
from sandbox.stripe.store import JsonObject

# Parameters that say under which test clock a call is made: objects under one go by its time.
NAME_A_CLOCK = ("customer", "subscription", "test_clock")
VERSION = re.compile(r"(\d{4}-\d{2}-\d{2})(\.[a-z]+)?")


@dataclass(frozen=True)
class Call:
    """An API call that has been found in order: its parameters are checked, its caller is known."""

    account: Account
    params: Mapping[str, Any]
    path: Mapping[str, str]
    version: str
    cause: Cause

    @property
    def since_endive(self) -> bool:
        """Does the caller speak an API version from 2026-09-30 on?"""
        return self.version[:10] >= "2026-09-30"


@dataclass(frozen=True)
class Endpoint:
    """One call of the API: `handle` returns the object to answer with, or raises a refusal."""

    method: str
    path: str
    handle: Callable[[Call], JsonObject]
    accepts: Reader


def routes(account: Account, endpoints: Sequence[Endpoint]) -> list[Route]:
    return [Route(endpoint.path, _serve(account, endpoint), methods=[endpoint.method]) for endpoint in endpoints]


def _serve(account: Account, endpoint: Endpoint) -> Callable[[Request], Any]:
    async def serve(request: Request) -> Response:
        exchange = Exchange(account, endpoint, request)
        fault = account.faults.take(request.method, request.url.path)
        if fault.kind == "reset_before":
            return Break()
        try:
            answer = await exchange.answer(fault)
        except StripeRefusal as refusal:
            answer = JSONResponse(refusal.body, refusal.status, refusal.headers)
        await fault.after()
        if fault.kind == "reset_after":
            return Break()
        answer.headers.update(exchange.echoed())
        return answer

    return serve


class Exchange:
    """One request and what is known about it so far."""

    def __init__(self, account: Account, endpoint: Endpoint, request: Request) -> None:
        self.account = account
        self.endpoint = endpoint
        self.request = request
        self.request_id = new_id("req")
        self.key = request.headers.get("idempotency-key") if request.method == "POST" else None
        self.version = request.headers.get("stripe-version", account.settings.api_version)

    async def answer(self, fault: Fault) -> Response:
        authenticate(self.request, self.account.settings.api_key)
        check_version(self.version)
        self.account.limits.admit(f"{self.endpoint.method} {self.endpoint.path}")
        fault.refuse_at_the_door()
        sent = await sent_parameters(self.request)
        attempt = Attempt.of(self.key, self.request.url.path, sent) if self.key else None
        kept = self.account.idempotency.replay(attempt) if attempt else None
        if kept is not None:
            headers = {"Idempotent-Replayed": "true", "Original-Request": kept.request_id}
            return JSONResponse(kept.body, kept.status, headers)
        with self.account.idempotency.running(attempt) if attempt else nullcontext():
            await fault.before()
            return self._carry_out(sent, attempt, fault)

    def _carry_out(self, sent: dict[str, Any], attempt: Attempt | None, fault: Fault) -> Response:
        """Run the resource's code and keep the answer in one transaction."""
        refusal: StripeRefusal | None = None
        with self.account.store.transaction():
            try:
                status, body = 200, self._result(sent, fault)
            except StripeRefusal as raised:
                if not raised.stands:
                    raise
                refusal = raised
            refusal = refusal or fault.instead_of_answer()
            if refusal is not None:
                status, body = refusal.status, refusal.body
            if attempt is not None:
                self.account.idempotency.keep(attempt, Kept(status, body, self.request_id))
        return JSONResponse(body, status)

    def _result(self, sent: dict[str, Any], fault: Fault) -> JsonObject:
        if fault.kind == "server_error":
            raise broken()
        paths = array(text())("expand", sent.pop("expand")) if "expand" in sent else []
        call = Call(
            account=self.account,
            params=self.endpoint.accepts("", sent),
            path=self.request.path_params,
            version=self.version,
            cause=Cause(self.request_id, self.key),
        )
        named = [self.request.path_params.get("id"), *(call.params.get(name) for name in NAME_A_CLOCK)]
        with self.account.in_time_of(*named):
            self._refuse_while_advancing(*named)
            found = expand(self.account.store, self.endpoint.handle(call), paths)
            return _in_version(self.account, found, self.version)

    def _refuse_while_advancing(self, *named: str | None) -> None:
        clock = self.account.test_clock_of(*named)
        if clock is not None and clock["status"] == "advancing" and self.request.method != "GET":
            raise advancing(clock["id"])

    def echoed(self) -> dict[str, str]:
        key = {"Idempotency-Key": self.key} if self.key else {}
        return {"Request-Id": self.request_id, "Stripe-Version": self.version, **key}


def _in_version(account: Account, found: JsonObject, version: str) -> JsonObject:
    """As the caller's version shows it. Events stay as they were sent."""
    is_event = found["object"] == "event" or (found["object"] == "list" and found["url"] == "/v1/events")
    shown: JsonObject = found if is_event else render(account.store, found, version)
    return shown


def authenticate(request: Request, api_key: str) -> None:
    """Bearer, or Basic with the key as the user's name. Refuses (401) any other key."""
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            credentials = base64.b64decode(credentials).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            credentials = ""
    if scheme.lower() not in ("basic", "bearer") or not credentials.strip():
        raise unauthenticated(
            "You did not provide an API key. You need to provide your API key in the Authorization header, using "
            "Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY')."
        )
    if credentials.strip() != api_key:
        raise unauthenticated(f"Invalid API Key provided: {credentials[:8]}********{credentials[-4:]}")


def check_version(version: str) -> None:
    if not VERSION.fullmatch(version):
        raise StripeRefusal(400, f"Invalid Stripe API version: {version}")


async def sent_parameters(request: Request) -> dict[str, Any]:
    """From the form of a POST, else from the query."""
    if request.method == "POST":
        return decode(await request.body())
    return decode(request.url.query.encode())


async def answer_unknown_address(request: Request, _error: Exception) -> Response:
    """404 in Stripe's shape, also where only the method is wrong."""
    refusal = unknown_address(request.method, request.url.path)
    return JSONResponse(refusal.body, refusal.status, {"Request-Id": new_id("req")})


async def answer_broken(_request: Request, _error: Exception) -> Response:
    """500 in Stripe's shape, for what the look-alike itself does wrong."""
    refusal = broken()
    return JSONResponse(refusal.body, refusal.status, {"Request-Id": new_id("req")})
