"""/api/v1/events: a project pulls its own facts, in order, from any position on."""

import json
import time
from collections.abc import Sequence
from http import HTTPStatus
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from api.authentication import a_project
from api.errors import PositionInvalid
from api.models.events import EventsAnswer, EventsQuery
from api.operations import Operation
from api.parsing import parse_query
from api.state import State
from eventlog.feed import Feed
from schemas import rendering
from schemas.envelope import Recorded

_AT_ONCE = 500  # Facts looked through in one query, where only some types are wanted.


async def pull(request: Request[State]) -> Response:
    """Pull the project's events.

    Every fact of the project in the order in which it was numbered, each once, from any position on. With `wait` the
    answer comes as soon as there is an event, or empty when the time is over: ask again with the same `after`.
    """
    caller = await a_project(request)
    query, feed = parse_query(EventsQuery, request), request.state["feed"]
    await _check(feed, caller.project_id, query.after)
    deadline = time.monotonic() + query.wait
    after = query.after
    while True:
        head = await feed.head()
        found = await _look(feed, caller.project_id, after, query)
        left = deadline - time.monotonic()
        if found.facts or (left <= 0 and not found.has_more):
            return _answer(found)
        after = found.next_after
        if not found.has_more:
            await feed.wait_beyond(head, left)


class _Found(NamedTuple):
    facts: Sequence[Recorded]
    next_after: int
    has_more: bool


async def _look(feed: Feed, project_id: str, after: int, query: EventsQuery) -> _Found:
    """The wanted ones among the next facts. Those that were looked through and not wanted are behind `next_after` too."""
    asked = query.limit if query.types is None else _AT_ONCE
    page = await feed.page(project_id, after, asked + 1)
    seen, more = page[:asked], len(page) > asked
    wanted = [fact for fact in seen if query.wants(fact.type)]
    if len(wanted) > query.limit:
        wanted, more = wanted[: query.limit], True
        return _Found(wanted, wanted[-1].position, more)
    return _Found(wanted, seen[-1].position if seen else after, more)


async def _check(feed: Feed, project_id: str, after: int) -> None:
    """A cursor that is wrong must not pass events by unnoticed."""
    if after == 0 or await feed.holds(project_id, after):
        return
    raise PositionInvalid(after, await feed.head())


def _answer(found: _Found) -> Response:
    body = {
        "events": [rendering.to_json(fact) for fact in found.facts],
        "next_after": found.next_after,
        "has_more": found.has_more,
    }
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Response(text, HTTPStatus.OK, {"Cache-Control": "private, no-cache"}, "application/json")


OPERATIONS = (
    Operation(
        method="GET",
        path="/api/v1/events",
        endpoint=pull,
        tag="Events",
        who=("project",),
        query=EventsQuery,
        answers={200: EventsAnswer},
    ),
)
