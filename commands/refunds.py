"""Give money back: it is set aside before the gateway is asked, with one request under one key, and its answer recorded."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid5

from commands.asking import alone, key_lives
from commands.open_requests import SEALED_KIND, OpenRequest, OpenRequests, RequestKind, to_send
from commands.ports import Answer, Context, Decided, EventStore, Receipt, States
from commands.refusals import refusing, unless_refused, with_refusal
from commands.returns import ASK_AFTER_REFUND_IN, record_refunds
from commands.takings import trace
from domain.errors import DomainError
from domain.payment import PAYMENTS, Payment, refunds
from domain.payment.errors import PaymentUnknown
from domain.project import PROJECTS
from domain.wallet import Clawback
from gateways.errors import GatewayKeyMismatch, GatewayRefused, GatewayUnavailable
from gateways.notices import RefundUpdated
from gateways.port import Gateway, RefundOrder
from vault.port import Vault

ASK_AGAIN_AFTER = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundPayment:
    """Give back so much of a payment; without an amount, all that is left."""

    project_id: str
    payment_id: str
    amount_minor: int | None
    reason: str | None
    metadata: Mapping[str, str]


def refund_id_of(command_id: UUID) -> str:
    """The id of the refund that a command asks for, however often the command is sent."""
    return f"rfd_{uuid5(command_id, 'refund').hex}"


async def refund_payment(
    command: RefundPayment,
    context: Context,
    store: EventStore,
    gateway: Gateway,
    vault: Vault,
    open_requests: OpenRequests,
) -> Receipt:
    """Set the money aside, ask the gateway for the refund, record what it says. A retry goes on where a crash stopped.

    Answers what `answer_of` shows; with status `requested` where the gateway's answer never came. Raises what the payment
    or the gateway refuses: `PaymentNotPaid`, `NothingToRefund`, `RefundExceedsPayment`, `RefundNotPossible`.
    """
    receipt = await store.receipt(context.step("answered"))
    if receipt is not None:
        return unless_refused(receipt)
    if await store.receipt(context) is None:
        await _request(command, context, store, gateway, vault, open_requests)
    kept = await open_requests.get(RequestKind.REFUND, refund_id_of(context.command_id))
    assert kept is not None, "kept before the refund was recorded"
    return await ask_for_refund(kept, context, store, gateway, vault, open_requests)


async def _request(
    command: RefundPayment,
    context: Context,
    store: EventStore,
    gateway: Gateway,
    vault: Vault,
    open_requests: OpenRequests,
) -> None:
    stream = PAYMENTS.at(command.payment_id)
    payment = await store.load(stream)
    if payment is None or payment.project_id != command.project_id:
        raise PaymentUnknown(command.payment_id)
    payment = await trace(payment, context, store, gateway)
    try:
        amount_minor = refunds.amount_to_refund(payment, command.amount_minor)
    except DomainError as refusal:
        await store.record(context, [], refusing(refusal))
        raise
    refund_id = refund_id_of(context.command_id)
    kept_minor = await _keep(command, refund_id, amount_minor, payment, context, gateway, vault, open_requests)

    def decide(states: States) -> Decided:
        payment = states[stream]
        assert payment is not None, "loaded before"
        facts = refunds.request_refund(
            payment, refund_id=refund_id, amount_minor=kept_minor, reason=command.reason, metadata=command.metadata
        )
        return Decided([stream.facts(*facts)], {"payment_id": payment.payment_id, "refund_id": refund_id})

    await store.record(context, [stream], decide)


async def _keep(
    command: RefundPayment,
    refund_id: str,
    amount_minor: int,
    payment: Payment,
    context: Context,
    gateway: Gateway,
    vault: Vault,
    open_requests: OpenRequests,
) -> int:
    """Keep the exact request. Returns its amount: that of an earlier try that was kept and never recorded counts."""
    assert payment.gateway_payment_id is not None, "money that came, came by a payment of the gateway's"
    order = RefundOrder(
        refund_id=refund_id,
        payment_id=payment.payment_id,
        project_id=payment.project_id,
        gateway_payment_id=payment.gateway_payment_id,
        amount_minor=amount_minor,
        reason=command.reason,
    )
    # With the project's key: it names no person, and money can go back to one who was erased.
    content = {"request": gateway.refund_request(order).decode(), "amount_minor": str(amount_minor)}
    kept = await open_requests.add(
        OpenRequest(
            kind=RequestKind.REFUND,
            id=refund_id,
            stream_id=payment.payment_id,
            project_id=payment.project_id,
            gateway=gateway.name,
            command_id=context.command_id,
            fingerprint=context.fingerprint,
            request_id=context.request_id,
            created_at=context.now,
            idempotency_key=f"tillstream-{context.command_id}-1",
            request=await vault.seal(payment.project_id, SEALED_KIND, refund_id, content),
        ),
        due_at=context.now + ASK_AGAIN_AFTER,
    )
    assert kept.request is not None, "kept with it"
    return int((await vault.open_bytes(kept.request))["amount_minor"])


async def ask_for_refund(
    kept: OpenRequest,
    context: Context,
    store: EventStore,
    gateway: Gateway,
    vault: Vault,
    open_requests: OpenRequests,
) -> Receipt:
    """Ask the gateway for a recorded refund, with the request and key that were kept for it.

    Raises `CommandInProgress` while another process is doing so.
    """
    async with alone(context, store):
        return await _ask(kept, context, store, gateway, vault, open_requests)


async def _ask(
    kept: OpenRequest,
    context: Context,
    store: EventStore,
    gateway: Gateway,
    vault: Vault,
    open_requests: OpenRequests,
) -> Receipt:
    if not key_lives(kept, context.now):
        return await _unconfirmed(kept, context, store)  # The reconciler looks for it by its id.
    request, key = await to_send(kept, vault)
    try:
        made = await gateway.refund(request, key)
    except (GatewayUnavailable, GatewayKeyMismatch):
        return await _unconfirmed(kept, context, store)
    except GatewayRefused as refusal:
        return await _refuse(kept, refusal, context, store, gateway, open_requests)
    return await record_made(kept, made, context, store, open_requests)


async def record_made(
    kept: OpenRequest, made: RefundUpdated, context: Context, store: EventStore, open_requests: OpenRequests
) -> Receipt:
    """Record the refund that the gateway has made, with the answer that the caller gets, now and at each retry."""
    payment = await _payment(kept, store)

    def answer(after: Payment, clawback: Clawback) -> Answer:
        return answer_of(after, kept.id, clawback)

    receipt = await record_refunds(payment, [made], context.step("answered"), store, answer)
    if made.status.under_way:
        await open_requests.postpone(kept.kind, kept.id, context.now + ASK_AFTER_REFUND_IN, attempts=0)
    else:
        await open_requests.close(kept.kind, kept.id, context.now)
    return receipt


async def record_never_made(kept: OpenRequest, code: str, context: Context, store: EventStore) -> Receipt:
    """Record that the gateway made no such refund, and that its money is free again."""
    stream, project = PAYMENTS.at(kept.stream_id), PROJECTS.at(kept.project_id)

    def decide(states: States) -> Decided:
        payment, sells = states[stream], states[project]
        assert payment is not None, "recorded before the gateway is asked"
        assert sells is not None, "a payment has a project"
        facts = refunds.refuse(payment, kept.id, code)
        after = PAYMENTS.fold(facts, payment) or payment
        return Decided([stream.facts(*facts)], answer_of(after, kept.id, sells.clawback))

    return await store.record(context.step("answered"), [stream, project], decide)


async def _refuse(
    kept: OpenRequest,
    refusal: GatewayRefused,
    context: Context,
    store: EventStore,
    gateway: Gateway,
    open_requests: OpenRequests,
) -> Receipt:
    """The gateway made none. Perhaps because others did, in its dashboard: then they are recorded too."""
    stream = PAYMENTS.at(kept.stream_id)
    code = str(refusal.details.get("gateway_code") or refusal.code)

    def decide(states: States) -> Decided:
        payment = states[stream]
        assert payment is not None, "recorded before the gateway is asked"
        answer = {"payment_id": kept.stream_id, "refund_id": kept.id}
        return Decided([stream.facts(*refunds.refuse(payment, kept.id, code))], with_refusal(answer, refusal))

    receipt = await store.record(context.step("answered"), [stream], decide)
    await open_requests.close(kept.kind, kept.id, context.now)
    payment = await _payment(kept, store)
    with suppress(GatewayUnavailable):
        assert payment.gateway_payment_id is not None, "it was asked for by it"
        made = await gateway.list_refunds(payment.gateway_payment_id)
        await record_refunds(payment, made, context.step("listed"), store, lambda *_: {"refund_id": kept.id})
    return unless_refused(receipt)


async def _unconfirmed(kept: OpenRequest, context: Context, store: EventStore) -> Receipt:
    """What stands so far. Nothing is recorded: whether the gateway made the refund is still to be found out."""
    requested = await store.receipt(context)
    project = await store.load(PROJECTS.at(kept.project_id))
    assert requested is not None, "recorded before the gateway is asked"
    assert project is not None, "a payment has a project"
    answer = answer_of(await _payment(kept, store), kept.id, project.clawback)
    return Receipt(answer, requested.versions, replayed=False)


async def _payment(kept: OpenRequest, store: EventStore) -> Payment:
    payment = await store.load(PAYMENTS.at(kept.stream_id))
    assert payment is not None, "recorded before the gateway is asked"
    return payment


def answer_of(payment: Payment, refund_id: str, clawback: Clawback) -> Answer:
    """A refund and what it leaves of its payment. `clawback` is the policy that took its credits, or would."""
    refund = payment.refunds[refund_id]
    return {
        "payment_id": payment.payment_id,
        "refund_id": refund.refund_id,
        "gateway_refund_id": refund.gateway_refund_id,
        "status": refund.status.value,
        "amount": refund.amount_minor,
        "currency": refund.currency,
        "reason": refund.reason,
        "failure_code": refund.failure_code,
        "credits_revoked": refund.credits_revoked,
        "credits_shortfall": refund.credits_shortfall,
        "clawback": refund.clawback or clawback.value,
        "amount_refunded": payment.refunded_minor,
        "amount_refundable": payment.refundable_minor,
    }
