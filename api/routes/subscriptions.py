"""/api/v1/subscriptions: what customers are subscribed to, and how it is changed."""

from functools import partial
from http import HTTPStatus

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from api.answers import answer, shown
from api.authentication import ProjectCaller, a_project
from api.consistency import caught_up
from api.idempotency import context_of, once
from api.models.places import SubscriptionPlace, UserPlace
from api.models.subscriptions import (
    PaymentPageAnswer,
    SubscriptionAnswer,
    SubscriptionCancelRequest,
    SubscriptionChangedAnswer,
    SubscriptionChangeRequest,
    SubscriptionPauseRequest,
    SubscriptionResumeRequest,
    SubscriptionsAnswer,
)
from api.operations import Endpoint, Operation
from api.parsing import parse, parse_place, read_json
from api.state import State
from commands.subscriptions import (
    CancelSubscription,
    ChangeSubscription,
    Command,
    PauseSubscription,
    ResumeSubscription,
    change_subscription,
    payment_page,
)
from domain.subscription import SUBSCRIPTIONS, Status
from domain.subscription.changes import Proration
from domain.subscription.errors import SubscriptionUnknown
from projections import subscriptions
from projections.subscriptions import SubscriptionRow

PATH = "/api/v1/subscriptions"


async def show_of_user(request: Request[State]) -> Response:
    """Show what one customer is or was subscribed to, the newest first. A customer who never was has none."""
    caller = await a_project(request)
    user_id = parse_place(UserPlace, request).user_id
    schema = await caught_up(request, subscriptions, caller.project_id)
    rows = await subscriptions.of_user(request.state["reads"], schema, caller.project_id, user_id)
    return shown(request, SubscriptionsAnswer(user_id=user_id, subscriptions=[_from_row(row) for row in rows]))


async def show_payment_page(request: Request[State]) -> Response:
    """Show the page on which a customer can pay what they owe for a subscription.

    Where a renewal failed they can pay it with another card there, or confirm it where `action_required`. It is asked for at
    the gateway, and not kept.
    """
    caller = await a_project(request)
    found = await payment_page(caller.project_id, _id(request), request.state["store"], request.state["gateway"])
    return shown(request, PaymentPageAnswer.model_validate(found))


async def cancel(request: Request[State]) -> Response:
    """Cancel a subscription.

    With its period, until which access goes on, or at once. What was paid is not given back: that is a refund of a payment.
    """
    caller, sent = await a_project(request), await read_json(request, default=b"{}")
    body = parse(SubscriptionCancelRequest, sent)
    command = CancelSubscription(
        project=caller.project,
        subscription_id=_id(request),
        at_period_end=body.at == "period_end",
        reason=body.reason,
    )
    return await _changed(request, caller, command, sent)


async def resume(request: Request[State]) -> Response:
    """Resume a subscription: after a pause, or in spite of a cancellation whose time has not come."""
    caller, sent = await a_project(request), await read_json(request, default=b"{}")
    body = parse(SubscriptionResumeRequest, sent)
    command = ResumeSubscription(project=caller.project, subscription_id=_id(request), reason=body.reason)
    return await _changed(request, caller, command, sent)


async def pause(request: Request[State]) -> Response:
    """Pause a subscription: nothing is charged until it is resumed."""
    caller, sent = await a_project(request), await read_json(request, default=b"{}")
    body = parse(SubscriptionPauseRequest, sent)
    command = PauseSubscription(project=caller.project, subscription_id=_id(request), reason=body.reason)
    return await _changed(request, caller, command, sent)


async def change(request: Request[State]) -> Response:
    """Change what is subscribed to, or how many of it.

    What is to be paid at once and cannot be, changes nothing.
    """
    caller, sent = await a_project(request), await read_json(request)
    body = parse(SubscriptionChangeRequest, sent)
    command = ChangeSubscription(
        project=caller.project,
        subscription_id=_id(request),
        product_id=body.product_id,
        quantity=body.quantity,
        proration=Proration(body.proration),
        reason=body.reason,
    )
    return await _changed(request, caller, command, sent)


async def _changed(request: Request[State], caller: ProjectCaller, command: Command, sent: object) -> Response:
    """What a change came to; 202 where it is not known yet. Raises `SubscriptionUnknown`."""
    state = request.state
    subscription = await state["store"].load(SUBSCRIPTIONS.at(command.subscription_id))
    if subscription is None or subscription.project_id != caller.project_id:
        raise SubscriptionUnknown(command.subscription_id)
    handler = partial(
        change_subscription,
        command,
        store=state["store"],
        gateway=state["gateway"],
        vault=state["vault"],
        open_requests=state["open_requests"],
    )
    context = context_of(request, caller, sent, project_id=caller.project_id)
    receipt = await once(request, context, subscription.customer_id, handler)
    done = receipt.answer["outcome"] == "done"
    return answer(receipt, HTTPStatus.OK if done else HTTPStatus.ACCEPTED)


def _id(request: Request[State]) -> str:
    return parse_place(SubscriptionPlace, request).subscription_id


def _from_row(row: SubscriptionRow) -> SubscriptionAnswer:
    return SubscriptionAnswer(
        subscription_id=row.subscription_id,
        product_id=row.product_id,
        status=Status(row.status).value,
        current_period_start=row.current_period_start,
        current_period_end=row.current_period_end,
        payment_type="subscription",
        payment_id=row.payment_id,
        price_id=row.price_id,
        quantity=row.quantity,
        amount=row.amount_minor,
        currency=row.currency,
        interval=row.interval,
        interval_count=row.interval_count,
        trial_end=row.trial_end,
        cancel_at=row.cancel_at,
        ended_at=row.ended_at,
        end_reason=row.end_reason,
        access_until=row.access_until,
        failed_attempts=row.failed_attempts,
        next_attempt_at=row.next_attempt_at,
        action_required=row.action_required,
        further_price_ids=list(row.further_price_ids),
        started_at=row.started_at,
    )


def _command(name: str, endpoint: Endpoint, body: type[BaseModel], *, body_required: bool = False) -> Operation:
    return Operation(
        method="POST",
        path=f"{PATH}/{{subscription_id}}/{name}",
        endpoint=endpoint,
        tag="Subscriptions",
        who=("project",),
        place=SubscriptionPlace,
        body=body,
        body_required=body_required,
        answers={200: SubscriptionChangedAnswer, 202: SubscriptionChangedAnswer},
        refusals=(404, 502),
    )


OPERATIONS = (
    Operation(
        method="GET",
        path=PATH + "/{user_id}",
        endpoint=show_of_user,
        tag="Subscriptions",
        who=("project",),
        place=UserPlace,
        answers={200: SubscriptionsAnswer},
        consistent=True,
    ),
    Operation(
        method="GET",
        path=PATH + "/{subscription_id}/payment_page",
        endpoint=show_payment_page,
        tag="Subscriptions",
        who=("project",),
        place=SubscriptionPlace,
        answers={200: PaymentPageAnswer},
        refusals=(404, 409, 502),
    ),
    _command("cancel", cancel, SubscriptionCancelRequest),
    _command("resume", resume, SubscriptionResumeRequest),
    _command("pause", pause, SubscriptionPauseRequest),
    _command("change", change, SubscriptionChangeRequest, body_required=True),
)
