"""Faults that a test orders in advance: the next calls of a path go wrong in a way that networks and Stripe do."""

from __future__ import annotations

import asyncio
import fnmatch
from dataclasses import asdict, dataclass
from typing import Any, cast

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sandbox.stripe.errors import StripeRefusal, broken, key_in_use, locked, parameter_invalid, rate_limited

KINDS = {
    "reset_before": "the connection breaks before anything is done",
    "reset_after": "everything is done, then the connection breaks before an answer",
    "hang_before": "nothing happens for `seconds`, then the call goes on",
    "hang_after": "everything is done, the answer comes `seconds` later",
    "server_error": "500 before anything is done; kept under the idempotency key",
    "server_error_after": "everything is done, the answer is 500; kept under the idempotency key",
    "rate_limit": "429 `rate_limit`, not kept",
    "lock_timeout": "429 `lock_timeout` with `stripe-should-retry: true`, not kept",
    "conflict": "409 `idempotency_key_in_use`, not kept",
}


@dataclass
class Fault:
    """What goes wrong (one of KINDS), where (`path` may hold `*`), for how many calls, and how long a hang lasts.

    `spared` such calls go well before it begins.
    """

    kind: str
    path: str = "*"
    method: str | None = None
    times: int = 1
    seconds: float = 5.0
    spared: int = 0

    def meets(self, method: str, path: str) -> bool:
        return self.times > 0 and self.method in (None, method) and fnmatch.fnmatchcase(path, self.path)

    def count_down(self) -> bool:
        """Whether it is this call's turn."""
        if self.spared > 0:
            self.spared -= 1
            return False
        self.times -= 1
        return True

    def refuse_at_the_door(self) -> None:
        """What happens before the idempotency layer sees the call."""
        if self.kind == "rate_limit":
            raise rate_limited()
        if self.kind == "lock_timeout":
            raise locked()
        if self.kind == "conflict":
            raise key_in_use("ordered by a test")

    async def before(self) -> None:
        if self.kind == "hang_before":
            await asyncio.sleep(self.seconds)

    def instead_of_answer(self) -> StripeRefusal | None:
        return broken() if self.kind == "server_error_after" else None

    async def after(self) -> None:
        if self.kind == "hang_after":
            await asyncio.sleep(self.seconds)


NO_FAULT = Fault("none", times=0)


class Faults:
    """The faults still to come. They are not kept over a restart."""

    def __init__(self) -> None:
        self._ordered: list[Fault] = []

    def order(self, fault: Fault) -> None:
        if fault.kind not in KINDS:
            raise parameter_invalid(f"Invalid kind: must be one of {', '.join(KINDS)}", "kind")
        self._ordered.append(fault)

    def take(self, method: str, path: str) -> Fault:
        """The first fault that meets this call, counted down; NO_FAULT when there is none."""
        for fault in self._ordered:
            if fault.meets(method, path) and fault.count_down():
                return fault
        return NO_FAULT

    def clear(self) -> None:
        self._ordered.clear()

    def open(self) -> list[dict[str, Any]]:
        return [asdict(fault) for fault in self._ordered if fault.times > 0]


class BreakableProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, which lets `Break` get at the connection."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {"sandbox.connection": {"transport": self.transport}}


class Break(Response):
    """No answer: the caller sees its connection die."""

    async def __call__(self, scope: Scope, receive: Receive, _send: Send) -> None:
        transport = cast(asyncio.Transport, scope["extensions"]["sandbox.connection"]["transport"])
        transport.abort()
        while (await receive())["type"] != "http.disconnect":
            pass
