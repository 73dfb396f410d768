"""Read your writes: a read that carries a Consistency-Token waits until it can show what the token names."""

from collections.abc import Awaitable, Mapping, Sequence
from functools import partial
from typing import Protocol

from starlette.requests import Request

from api.state import State
from projections.freshness import parse_token, wait_until_shown
from runtime.postgres import Pool


class Shows(Protocol):
    """A read model's module, as far as waiting for it needs."""

    @property
    def name(self) -> str: ...

    @property
    def stream_prefixes(self) -> tuple[str, ...]: ...

    def versions(self, pool: Pool, schema: str, streams: Sequence[str], /) -> Awaitable[Mapping[str, int]]: ...


async def caught_up(request: Request[State], model: Shows) -> str:
    """The schema that answers for this read model, once it shows what the request's token names.

    Raises `ConsistencyTokenMalformed`, `ReadModelBehind` after two seconds, `NotBuilt`.
    """
    wanted = wanted_versions(request)
    schema = await request.state["live"].schema(model.name)
    await wait_until_shown(wanted, partial(model.versions, request.state["reads"], schema), model.stream_prefixes)
    return schema


def wanted_versions(request: Request[State]) -> Mapping[str, int]:
    """The streams that the request's token names, with their versions; none where it carries no token."""
    token = request.headers.get("consistency-token")
    return parse_token(token) if token else {}
