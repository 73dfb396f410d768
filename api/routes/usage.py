"""/api/v1/usage: say what customers use of metered products."""

from functools import partial
from http import HTTPStatus

import orjson
from starlette.requests import Request
from starlette.responses import Response

from api.answers import answer, shown_as_json
from api.authentication import a_project
from api.idempotency import context_of, once
from api.models.places import UsagePlace
from api.models.usage import UsageAnswer, UsageRequest
from api.operations import Operation
from api.parsing import parse, parse_place, read_json
from api.state import State
from commands.usage import RecordUsage, answer_of, record_usage
from domain.usage import USAGE
from domain.usage.errors import UsageUnknown

PATH = "/api/v1/usage"


async def record(request: Request[State]) -> Response:
    """Record what a customer used of a metered product.

    It is recorded at once and reported to the payment gateway right after, which bills it with the period that it was used in;
    its status then changes from `recorded` to `reported`. The same `identifier`, or the same `Idempotency-Key`, counts once.
    """
    caller, sent = await a_project(request), await read_json(request)
    body = parse(UsageRequest, sent)
    command = RecordUsage(
        project=caller.project,
        user_id=body.user_id,
        product_id=body.product_id,
        quantity=body.quantity,
        used_at=body.used_at,
        identifier=body.identifier,
    )
    context = context_of(request, caller, sent, project_id=caller.project_id)
    handler = partial(record_usage, command, store=request.state["store"])
    return answer(await once(request, context, caller.project_id, handler), HTTPStatus.CREATED)


async def show(request: Request[State]) -> Response:
    """Show one use, and whether it was reported."""
    caller, place = await a_project(request), parse_place(UsagePlace, request)
    usage = await request.state["store"].load(USAGE.at(place.usage_id))
    if usage is None or usage.recorded.project_id != caller.project_id:
        raise UsageUnknown(place.usage_id)
    return shown_as_json(request, orjson.dumps(answer_of(usage)))


OPERATIONS = (
    Operation(
        method="POST",
        path=PATH,
        endpoint=record,
        tag="Usage",
        who=("project",),
        body=UsageRequest,
        answers={201: UsageAnswer},
        refusals=(404,),
    ),
    Operation(
        method="GET",
        path=f"{PATH}/{{usage_id}}",
        endpoint=show,
        tag="Usage",
        who=("project",),
        place=UsagePlace,
        answers={200: UsageAnswer},
        refusals=(404,),
    ),
)
