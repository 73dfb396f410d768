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


async def caught_up(request: Request[State], model: Shows, project_id: str) -> str:
    """The schema that answers for this read model, once it shows what the request's token names.

    Where something of the project is parked in it, the answer will say so. Raises `ConsistencyTokenMalformed`,
    `ReadModelBehind` after two seconds, `ReadModelParked`, `NotBuilt`.
    """
    wanted, live = wanted_versions(request), request.state["live"]
    schema = await live.schema(model.name)
    parked = live.parked(model.name)
    shown = partial(model.versions, request.state["reads"], schema)
    await wait_until_shown(wanted, shown, model.stream_prefixes, parked)
    if project_id in parked.values():
        request.state["shows_parked"] = True
    return schema


def wanted_versions(request: Request[State]) -> Mapping[str, int]:
    """The streams that the request's token names, with their versions; none where it carries no token."""
    token = request.headers.get("consistency-token")
    return parse_token(token) if token else {}
