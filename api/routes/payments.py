"""/api/v1/payments: start one, look at it, list them, cancel one."""

from collections.abc import Awaitable
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import TypeVar

import orjson
from starlette.requests import Request
from starlette.responses import Response

from api import as_of, cursors
from api.answers import answer, shown, shown_as_json
from api.as_of import Asked
from api.authentication import ProjectCaller, a_project, a_project_or_its_page, host_of
from api.consistency import caught_up, wanted_versions
from api.errors import CursorInvalid, NotPermitted
from api.idempotency import context_of, once
from api.models.as_of import AsOfQuery
from api.models.payments import (
    CancelRequest,
    PaymentAnswer,
    PaymentCanceledAnswer,
    PaymentPage,
    PaymentRequest,
    PaymentsQuery,
    PaymentStartedAnswer,
    PaymentStatusAnswer,
)
from api.models.places import PaymentPlace
from api.operations import Operation
from api.parsing import parse, parse_place, parse_query, read_json
from api.state import State
from commands.payments import CancelPayment, StartPayment, cancel_payment, start_payment
from domain.customer import customer_id
from domain.payment import PAYMENTS, DisputeStatus, Payment, Status
from domain.payment.contests import is_disputed
from domain.payment.errors import PaymentUnknown
from domain.payment.returns import refunded_of
from domain.product import PaymentType
from projections import payments
from projections.as_of import NotThereYet
from projections.generations import NotBuilt
from projections.payments import PaymentRow, PaymentStanding

Row = TypeVar("Row")

PATH = "/api/v1/payments"


async def start(request: Request[State]) -> Response:
    """Start a payment.

    Send the customer to the answer's `checkout_url`. With 202 the payment gateway's answer is not known yet: send the
    same request with the same `Idempotency-Key` again. A publishable key starts payments for products of the catalogue
    only, from pages on the project's own domain.
    """
    caller, state = await a_project_or_its_page(request), request.state
    sent = await read_json(request)
    body = parse(PaymentRequest, sent)
    _check_page(caller, body)
    context = context_of(request, caller, sent, project_id=caller.project_id, path=PATH)
    command = StartPayment(project=caller.project, **body.model_dump())
    handler = partial(
        start_payment,
        command,
        store=state["store"],
        gateway=state["gateway"],
        vault=state["vault"],
        open_requests=state["open_requests"],
    )
    receipt = await once(request, context, customer_id(caller.project_id, body.user_id), handler)
    unconfirmed = receipt.answer["status"] == Status.UNCONFIRMED
    return answer(receipt, HTTPStatus.ACCEPTED if unconfirmed else HTTPStatus.CREATED)


async def show(request: Request[State]) -> Response:
    """Show a payment.

    With `as_of` it is folded from the log, as it was shown then; `As-Of-Position` says up to which position that is.
    """
    caller = await a_project(request)
    if (asked := await as_of.asked(request)) is not None:
        row = await _row_as_of(request, caller, asked)
        return as_of.stamped(shown(request, _from_row(row), etag=str(row.version)), asked.position)
    payment, version = await payment_of(request, caller)
    return shown(request, payment, etag=version)


async def show_status(request: Request[State]) -> Response:
    """Show how a payment stands."""
    caller = await a_project(request)
    payment_id = parse_place(PaymentPlace, request).payment_id
    row = await _if_built(request.state["standings"].get(payment_id))
    if row is not None and row.project_id == caller.project_id and not is_behind(request, payment_id, row.version):
        return shown_as_json(request, _as_json(row), etag=str(row.version))
    payment, version = await payment_of(request, caller)
    status = PaymentStatusAnswer(**payment.model_dump(include=set(PaymentStatusAnswer.model_fields)))
    return shown(request, status, etag=version)


async def show_page(request: Request[State]) -> Response:
    """List the project's payments, newest first."""
    caller = await a_project(request)
    query = parse_query(PaymentsQuery, request)
    after = _after(query.cursor)
    schema = await caught_up(request, payments, caller.project_id)
    wanted = payments.Filter(**query.model_dump(exclude={"limit", "cursor"}))
    rows = await payments.page(
        request.state["reads"], schema, caller.project_id, wanted=wanted, after=after, limit=query.limit + 1
    )
    listed, more = rows[: query.limit], rows[query.limit :]
    last = cursors.encode(listed[-1].created_at.isoformat(), listed[-1].payment_id) if more else None
    return shown(request, PaymentPage(payments=[_from_row(row) for row in listed], next_cursor=last))


async def cancel(request: Request[State]) -> Response:
    """Cancel a payment that nobody has paid yet.

    Its checkout page is closed first. What was paid just before that is a success and answers 409.
    """
    caller, state = await a_project(request), request.state
    place = parse_place(PaymentPlace, request)
    sent = await read_json(request, default=b"{}")
    body = parse(CancelRequest, sent)
    payment = await state["store"].load(PAYMENTS.at(place.payment_id))
    if payment is None or payment.project_id != caller.project_id:
        raise PaymentUnknown(place.payment_id)
    context = context_of(request, caller, sent, project_id=caller.project_id)
    command = CancelPayment(project_id=caller.project_id, payment_id=place.payment_id, reason=body.reason)
    handler = partial(
        cancel_payment,
        command,
        store=state["store"],
        gateway=state["gateway"],
        open_requests=state["open_requests"],
    )
    return answer(await once(request, context, payment.customer_id, handler))


async def payment_of(request: Request[State], caller: ProjectCaller) -> tuple[PaymentAnswer, str | None]:
    """The payment that the path names, with the version that is shown, if it is the caller's.

    Where its read model does not show it yet, or not as far as it should, it is folded from the store, without a version:
    what was accepted is there. Raises `PaymentUnknown`.
    """
    payment_id = parse_place(PaymentPlace, request).payment_id
    row = await row_of(request, payment_id)
    if row is None or is_behind(request, payment_id, row.version):
        payment = await request.state["store"].load(PAYMENTS.at(payment_id))
        if payment is not None and payment.project_id == caller.project_id:
            return _from_state(payment), None
    elif row.project_id == caller.project_id:
        return _from_row(row), str(row.version)
    raise PaymentUnknown(payment_id)


async def _row_as_of(request: Request[State], caller: ProjectCaller, asked: Asked) -> PaymentRow:
    """The payment as it was shown then, if it is the caller's. Raises `NotThereYet`, `PaymentUnknown`."""
    payment_id = parse_place(PaymentPlace, request).payment_id
    row = await payments.as_of(request.state["reads"], payment_id, asked.position)
    if row is None:
        payment = await request.state["store"].load(PAYMENTS.at(payment_id))
        if payment is not None and payment.project_id == caller.project_id:
            raise NotThereYet(f"payment {payment_id}", asked.as_of)
    elif row.project_id == caller.project_id:
        return row
    raise PaymentUnknown(payment_id)


async def row_of(request: Request[State], payment_id: str) -> PaymentRow | None:
    """The payment of any project as its read model shows it; None where it does not, yet."""
    return await _if_built(request.state["payments"].get(payment_id))


async def _if_built(row: Awaitable[Row | None]) -> Row | None:
    try:
        return await row
    except NotBuilt:
        return None


def is_behind(request: Request[State], payment_id: str, version: int) -> bool:
    """Whether more has happened to a payment than its row shows: the caller has seen it, or the row stands still."""
    wanted = wanted_versions(request).get(payment_id, 0)
    return version < wanted or payment_id in request.state["live"].parked(payments.name)


def _check_page(caller: ProjectCaller, body: PaymentRequest) -> None:
    """A publishable key is in everybody's hands: it sells what the catalogue has, and leads back to the project alone."""
    if not caller.publishable:
        return
    if body.product_id is None:
        raise NotPermitted("A publishable key sells products of the catalogue; send `product_id`.", param="price_id")
    for param in ("success_url", "cancel_url"):
        url = getattr(body, param)
        if url is not None and host_of(url) != caller.project.domain.lower():
            raise NotPermitted(
                f"With a publishable key, customers are sent back to {caller.project.domain} only.", param=param
            )


def _after(cursor: str | None) -> payments.After | None:
    if cursor is None:
        return None
    created_at, payment_id = cursors.decode(cursor, str, str)
    try:
        after = payments.After(datetime.fromisoformat(str(created_at)), str(payment_id))
    except ValueError as error:
        raise CursorInvalid from error
    if after.created_at.tzinfo is None or "\0" in after.payment_id:
        raise CursorInvalid
    return after


def _as_json(row: PaymentStanding) -> bytes:
    """`PaymentStatusAnswer` of a row, without the detour of building one: this is asked for most often."""
    answer = {
        "payment_id": row.payment_id,
        "status": row.status,
        "amount": row.amount_minor,
        "currency": row.currency,
        "payment_type": row.payment_type,
        "project_id": row.project_id,
        "created_at": row.created_at,
        "metadata": orjson.loads(row.metadata),
    }
    return orjson.dumps(answer, option=orjson.OPT_UTC_Z)


def _from_row(row: PaymentRow) -> PaymentAnswer:
    return PaymentAnswer(
        payment_id=row.payment_id,
        project_id=row.project_id,
        user_id=row.user_id,
        product_id=row.product_id,
        status=Status(row.status).value,
        amount=row.amount_minor,
        currency=row.currency,
        payment_type=PaymentType(row.payment_type).value,
        credits=row.credits,
        credit_type=row.credit_type,
        subscription_id=row.subscription_id,
        checkout_session_id=row.checkout_id,
        expires_at=row.expires_at,
        failure_code=row.failure_code,
        decline_code=row.decline_code,
        amount_refunded=row.refunded_minor,
        amount_refund_pending=row.reserved_minor,
        refunded=refunded_of(row.amount_minor, row.refunded_minor, row.reserved_minor).value,
        disputed=is_disputed(DisputeStatus(row.dispute_status) if row.dispute_status else None, row.lost_minor),
        dispute_status=row.dispute_status,
        amount_lost=row.lost_minor,
        created_at=row.created_at,
        metadata=dict(row.metadata),
    )


def _from_state(payment: Payment) -> PaymentAnswer:
    return PaymentAnswer(
        payment_id=payment.payment_id,
        project_id=payment.project_id,
        user_id=payment.user_id,
        product_id=payment.product_id,
        status=payment.status.value,
        amount=payment.amount_minor,
        currency=payment.currency,
        payment_type=PaymentType(payment.payment_type).value,
        credits=payment.credits,
        credit_type=payment.credit_type,
        subscription_id=payment.subscription_id,
        checkout_session_id=payment.checkout_id,
        expires_at=payment.expires_at,
        failure_code=None,
        decline_code=None,
        amount_refunded=payment.refunded_minor,
        amount_refund_pending=payment.reserved_minor,
        refunded=payment.refunded.value,
        disputed=payment.disputed,
        dispute_status=payment.dispute_status,
        amount_lost=payment.lost_minor,
        created_at=payment.initiated_at,
        metadata=dict(payment.metadata),
    )


OPERATIONS = (
    *(
        Operation(
            method="POST",
            path=path,
            endpoint=start,
            tag="Payments",
            who=("project", "page"),
            body=PaymentRequest,
            answers={201: PaymentStartedAnswer, 202: PaymentStartedAnswer},
            refusals=(404, 502),
        )
        for path in (PATH, f"{PATH}/checkout")
    ),
    Operation(
        method="GET",
        path=PATH,
        endpoint=show_page,
        tag="Payments",
        who=("project",),
        query=PaymentsQuery,
        answers={200: PaymentPage},
        consistent=True,
    ),
    Operation(
        method="GET",
        path=PATH + "/{payment_id}",
        endpoint=show,
        tag="Payments",
        who=("project",),
        place=PaymentPlace,
        query=AsOfQuery,
        answers={200: PaymentAnswer, 304: None},
        refusals=(404,),
        consistent=True,
    ),
    Operation(
        method="GET",
        path=PATH + "/{payment_id}/status",
        endpoint=show_status,
        tag="Payments",
        who=("project",),
        place=PaymentPlace,
        answers={200: PaymentStatusAnswer, 304: None},
        refusals=(404,),
        consistent=True,
    ),
    Operation(
        method="POST",
        path=PATH + "/{payment_id}/cancel",
        endpoint=cancel,
        tag="Payments",
        who=("project",),
        place=PaymentPlace,
        body=CancelRequest,
        body_required=False,
        answers={200: PaymentCanceledAnswer},
        refusals=(404, 502),
    ),
)
