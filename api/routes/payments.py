"""/api/v1/payments: start one, look at it, list them, cancel one."""

from functools import partial
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from api.answers import answer
from api.authentication import ProjectCaller, a_project, a_project_or_its_page, host_of
from api.errors import NotPermitted
from api.idempotency import context_of, once
from api.models.payments import (
    CancelRequest,
    PaymentCanceledAnswer,
    PaymentRequest,
    PaymentStartedAnswer,
)
from api.models.places import PaymentPlace
from api.operations import Operation
from api.parsing import parse, parse_place, read_json
from api.state import State
from commands.payments import CancelPayment, StartPayment, cancel_payment, start_payment
from domain.customer import customer_id
from domain.payment import PAYMENTS, Status
from domain.payment.errors import PaymentUnknown

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
        open_payments=state["open_payments"],
    )
    receipt = await once(request, context, customer_id(caller.project_id, body.user_id), handler)
    unconfirmed = receipt.answer["status"] == Status.UNCONFIRMED
    return answer(receipt, HTTPStatus.ACCEPTED if unconfirmed else HTTPStatus.CREATED)


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
    handler = partial(cancel_payment, command, store=state["store"], gateway=state["gateway"])
    return answer(await once(request, context, payment.customer_id, handler))


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
