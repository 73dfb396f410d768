"""A request as endpoints get it: Starlette's, with headers that are found without looking through all of them."""

from collections.abc import Mapping
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope

from api.state import State


class IndexedHeaders(Headers):
    """Headers by name, as `Around` has sorted them. Of one that was sent several times `get` gives the first."""

    def __init__(self, scope: Scope) -> None:
        super().__init__(raw=scope["headers"])
        self._by_name: Mapping[bytes, bytes] = scope["headers_by_name"]

    def __contains__(self, key: object) -> bool:
        return str(key).lower().encode("latin-1") in self._by_name

    def get(self, key: str, /, default: Any = None) -> Any:
        value = self._by_name.get(key.lower().encode("latin-1"))
        return default if value is None else value.decode("latin-1")


class ApiRequest(Request[State]):
    """The request of an endpoint. The body is read once, and bounded by what stands around every request."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        super().__init__(scope, receive)
        self._indexed = IndexedHeaders(scope)
        self._at_hand: State = scope["state"]

    @property
    def headers(self) -> Headers:
        return self._indexed

    @property
    def state(self) -> State:
        return self._at_hand

    async def body(self) -> bytes:
        """All of it. Raises `ClientDisconnect`. Mostly it is one message, which needs no stream to go through."""
        if not hasattr(self, "_body"):
            chunks = []
            more = True
            while more:
                message = await self._receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                chunks.append(message.get("body", b""))
                more = message.get("more_body", False)
            self._body = b"".join(chunks)
        return self._body
