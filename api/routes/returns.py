"""/api/v1/payments/{payment_id}/refund, …/refunds and …/disputes: give money back, and see what went back and why."""

from functools import partial
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from api.answers import answer, shown
from api.authentication import ProjectCaller, a_project
from api.idempotency import context_of, once
from api.models.places import PaymentPlace
from api.models.returns import (
    DisputesAnswer,
    DisputeShown,
    RefundAnswer,
    RefundRequest,
    RefundsAnswer,
    RefundShown,
)
from api.operations import Operation
from api.parsing import parse, parse_place, read_json
from api.routes.payments import PATH, is_behind, row_of
from api.state import State
from commands.refunds import RefundPayment, refund_payment
from domain.payment import PAYMENTS, Dispute, Payment, Refund, RefundStatus
from domain.payment.errors import PaymentUnknown
from projections import disputes, payments, refunds
from projections.disputes import DisputeRow
from projections.refunds import RefundRow


async def refund(request: Request[State]) -> Response:
    """Refund a payment, in part or in full.

    What it bought in credits is taken back as the project's `clawback` says. With 202 the payment gateway's answer is not
    known yet: the money is set aside and the refund ends by itself. The same request, `Idempotency-Key` too, tells how.
    """
    caller, state = await a_project(request), request.state
    place = parse_place(PaymentPlace, request)
    sent = await read_json(request, default=b"{}")
    body = parse(RefundRequest, sent)
    payment = await state["store"].load(PAYMENTS.at(place.payment_id))
    if payment is None or payment.project_id != caller.project_id:
        raise PaymentUnknown(place.payment_id)
    context = context_of(request, caller, sent, project_id=caller.project_id)
    command = RefundPayment(
        project_id=caller.project_id,
        payment_id=place.payment_id,
        amount_minor=body.amount,
        reason=body.reason,
        metadata=body.metadata,
    )
    handler = partial(
        refund_payment,
        command,
        store=state["store"],
        gateway=state["gateway"],
        vault=state["vault"],
        open_requests=state["open_requests"],
    )
    receipt = await once(request, context, payment.customer_id, handler)
    unconfirmed = receipt.answer["status"] == RefundStatus.REQUESTED
    return answer(receipt, HTTPStatus.ACCEPTED if unconfirmed else HTTPStatus.CREATED)


async def show_refunds(request: Request[State]) -> Response:
    """List a payment's refunds.

    Those made in the gateway's dashboard are among them, as soon as the gateway has told of them.
    """
    caller = await a_project(request)
    payment_id, version, payment = await _shown_or_folded(request, caller)
    if payment is not None:
        listed = [_refund(made, made.status.value) for made in payment.refunds.values()]
    else:
        schema = await request.state["live"].schema(payments.name)
        rows = await refunds.of_payment(request.state["reads"], schema, payment_id)
        listed = [_refund(row, row.status) for row in rows]
    return shown(request, RefundsAnswer(payment_id=payment_id, refunds=listed), etag=version)


async def show_disputes(request: Request[State]) -> Response:
    """List a payment's disputes, open and closed."""
    caller = await a_project(request)
    payment_id, version, payment = await _shown_or_folded(request, caller)
    if payment is not None:
        listed = [_dispute(opened, opened.status.value) for opened in payment.disputes.values()]
    else:
        schema = await request.state["live"].schema(payments.name)
        rows = await disputes.of_payment(request.state["reads"], schema, payment_id)
        listed = [_dispute(row, row.status) for row in rows]
    return shown(request, DisputesAnswer(payment_id=payment_id, disputes=listed), etag=version)


async def _shown_or_folded(request: Request[State], caller: ProjectCaller) -> tuple[str, str | None, Payment | None]:
    """The id of the payment that the path names and the version that is shown, if it is the caller's.

    Where its read model does not show it yet, or not yet as the caller has seen it: no version, but the payment, folded from
    the store. Raises `PaymentUnknown`.
    """
    payment_id = parse_place(PaymentPlace, request).payment_id
    row = await row_of(request, payment_id)
    if row is None or is_behind(request, payment_id, row.version):
        payment = await request.state["store"].load(PAYMENTS.at(payment_id))
        if payment is not None and payment.project_id == caller.project_id:
            return payment_id, None, payment
    elif row.project_id == caller.project_id:
        return payment_id, str(row.version), None
    raise PaymentUnknown(payment_id)


def _refund(refund: RefundRow | Refund, status: str) -> RefundShown:
    return RefundShown.model_validate(
        {
            "refund_id": refund.refund_id,
            "gateway_refund_id": refund.gateway_refund_id,
            "status": status,
            "amount": refund.amount_minor,
            "currency": refund.currency,
            "reason": refund.reason,
            "failure_code": refund.failure_code,
            "credits_revoked": refund.credits_revoked,
            "credits_shortfall": refund.credits_shortfall,
            "clawback": refund.clawback,
        }
    )


def _dispute(dispute: DisputeRow | Dispute, status: str) -> DisputeShown:
    return DisputeShown.model_validate(
        {
            "dispute_id": dispute.dispute_id,
            "status": status,
            "amount": dispute.amount_minor,
            "currency": dispute.currency,
            "reason": dispute.reason,
            "refundable": dispute.refundable,
            "opened_at": dispute.opened_at,
            "evidence_due_by": dispute.evidence_due_by,
            "credits_revoked": dispute.credits_revoked,
            "credits_shortfall": dispute.credits_shortfall,
        }
    )


OPERATIONS = (
    Operation(
        method="POST",
        path=PATH + "/{payment_id}/refund",
        endpoint=refund,
        tag="Payments",
        who=("project",),
        place=PaymentPlace,
        body=RefundRequest,
        body_required=False,
        answers={201: RefundAnswer, 202: RefundAnswer},
        refusals=(404, 502),
    ),
    Operation(
        method="GET",
        path=PATH + "/{payment_id}/refunds",
        endpoint=show_refunds,
        tag="Payments",
        who=("project",),
        place=PaymentPlace,
        answers={200: RefundsAnswer, 304: None},
        refusals=(404,),
        consistent=True,
    ),
    Operation(
        method="GET",
        path=PATH + "/{payment_id}/disputes",
        endpoint=show_disputes,
        tag="Payments",
        who=("project",),
        place=PaymentPlace,
        answers={200: DisputesAnswer, 304: None},
        refusals=(404,),
        consistent=True,
    ),
)
