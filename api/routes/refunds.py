"""/api/v1/payments/{payment_id}/refund and …/refunds: give money back, and see what went back."""

from functools import partial
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from api.answers import answer, shown
from api.authentication import a_project
from api.idempotency import context_of, once
from api.models.places import PaymentPlace
from api.models.refunds import RefundAnswer, RefundRequest, RefundsAnswer, RefundShown
from api.operations import Operation
from api.parsing import parse, parse_place, read_json
from api.routes.payments import PATH, is_behind, row_of
from api.state import State
from commands.refunds import RefundPayment, refund_payment
from domain.payment import PAYMENTS, Refund, RefundStatus
from domain.payment.errors import PaymentUnknown
from projections import payments, refunds
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
    payment_id = parse_place(PaymentPlace, request).payment_id
    row = await row_of(request, payment_id)
    if row is None or is_behind(request, payment_id, row.version):
        payment = await request.state["store"].load(PAYMENTS.at(payment_id))
        if payment is not None and payment.project_id == caller.project_id:
            listed = [_from_state(refund) for refund in payment.refunds.values()]
            return shown(request, RefundsAnswer(payment_id=payment_id, refunds=listed))
    elif row.project_id == caller.project_id:
        schema = await request.state["live"].schema(payments.name)
        found = await refunds.of_payment(request.state["reads"], schema, payment_id)
        listed = [_from_row(refund) for refund in found]
        return shown(request, RefundsAnswer(payment_id=payment_id, refunds=listed), etag=str(row.version))
    raise PaymentUnknown(payment_id)


def _from_row(row: RefundRow) -> RefundShown:
    return RefundShown.model_validate({**_plain(row), "status": row.status, "clawback": row.clawback})


def _from_state(refund: Refund) -> RefundShown:
    return RefundShown.model_validate({**_plain(refund), "status": refund.status.value, "clawback": refund.clawback})


def _plain(refund: RefundRow | Refund) -> dict[str, str | int | None]:
    return {
        "refund_id": refund.refund_id,
        "gateway_refund_id": refund.gateway_refund_id,
        "amount": refund.amount_minor,
        "currency": refund.currency,
        "reason": refund.reason,
        "failure_code": refund.failure_code,
        "credits_revoked": refund.credits_revoked,
        "credits_shortfall": refund.credits_shortfall,
    }


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
)
