"""As-of reads: which position a request asks for, and the answer's word of it."""

from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from api.models.as_of import AsOfQuery
from api.parsing import parse_query
from api.state import State
from projections import as_of
from projections.as_of import AsOf


class Asked(NamedTuple):
    """What was asked for, and the position that this is."""

    as_of: AsOf
    position: int


async def asked(request: Request[State]) -> Asked | None:
    """The place in the past that the request names, if it names one. Raises `AsOfInFuture`, `AsOfTooEarly`."""
    moment = parse_query(AsOfQuery, request).as_of
    return None if moment is None else Asked(moment, await as_of.position(request.state["reads"], moment))


def stamped(response: Response, position: int) -> Response:
    """The answer with the position in it that it shows: asked for by that, it is the same for ever."""
    response.headers["As-Of-Position"] = str(position)
    return response
