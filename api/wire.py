"""How answers go out: uvicorn's protocol, with an answer's head and body in one piece instead of two.

Each piece costs a system call here, and there a reader who is woken for half an answer: together more than most endpoints.
"""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_HEAD, _INTERIM = b"HTTP/1.1 ", b"HTTP/1.1 1"


class WholeAnswers:
    """A transport that keeps the head of an answer until what comes next, be it the body, the end, or the closing."""

    __slots__ = ("_held", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._held = b""

    def write(self, data: bytes) -> None:
        if self._held:
            data, self._held = self._held + data, b""
        elif data.startswith(_HEAD) and not data.startswith(_INTERIM):  # "100 Continue" is waited for.
            self._held = data
            return
        self._transport.write(data)

    def flush(self) -> None:
        """The answer is at its end. One without a body is still here."""
        if self._held:
            self.write(b"")

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Protocol(HttpToolsProtocol):
    """One connection. A body that is long in coming, after its head was sent, would keep the head waiting: none here is."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._whole = WholeAnswers(transport)
        self.transport = cast(asyncio.Transport, self._whole)

    def on_response_complete(self) -> None:
        self._whole.flush()
        super().on_response_complete()
