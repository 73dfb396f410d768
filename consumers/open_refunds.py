"""Refunds that have not ended: asked for again under the same key, asked about, or looked for among the payment's refunds."""

from commands.asking import key_lives
from commands.open_requests import OpenRequest, OpenRequests
from commands.ports import Context, EventStore
from commands.refunds import ask_for_refund, record_made, record_never_made
from commands.returns import record_refunds
from consumers.open_checkouts import NEVER_RECORDED_AFTER
from domain.errors import Refused
from domain.payment import PAYMENTS, Payment, RefundStatus
from gateways.port import Gateway
from vault.port import Vault


async def resolve(
    kept: OpenRequest,
    context: Context,
    store: EventStore,
    gateway: Gateway,
    vault: Vault,
    open_requests: OpenRequests,
) -> str:
    """Bring one closer to its end, and say how it stands: `ended`, `pending`, `found`, or why it is still open."""
    payment = await store.load(PAYMENTS.at(kept.stream_id))
    refund = payment.refunds.get(kept.id) if payment is not None else None
    if payment is None or refund is None:
        return "ended" if context.now - kept.created_at > NEVER_RECORDED_AFTER else "not_recorded"
    if not refund.status.under_way:
        return "ended"
    if refund.gateway_refund_id is not None:
        return await _ask(kept, payment, context, store, gateway)
    if key_lives(kept, context.now):
        return await _make(kept, context, store, gateway, vault, open_requests)
    return await _look_for(kept, payment, context, store, gateway, open_requests)


async def _ask(kept: OpenRequest, payment: Payment, context: Context, store: EventStore, gateway: Gateway) -> str:
    """The gateway has it. Its other refunds of this payment are told along with it."""
    assert payment.gateway_payment_id is not None, "by which the refund was found"
    made = await gateway.list_refunds(payment.gateway_payment_id)
    await record_refunds(payment, made, context.step(f"asked/{made}"), store, lambda *_: {"refund_id": kept.id})
    after = await store.load(PAYMENTS.at(kept.stream_id))
    return "ended" if after is not None and not after.refunds[kept.id].status.under_way else "still_open"


async def _make(
    kept: OpenRequest,
    context: Context,
    store: EventStore,
    gateway: Gateway,
    vault: Vault,
    open_requests: OpenRequests,
) -> str:
    """The same request under the same key: whichever of us asks, the gateway makes one refund."""
    try:
        receipt = await ask_for_refund(kept, context, store, gateway, vault, open_requests)
    except Refused:
        return "ended"
    status = RefundStatus(receipt.answer["status"])
    if status is RefundStatus.REQUESTED:
        return "still_unconfirmed"
    return "pending" if status.under_way else "ended"


async def _look_for(
    kept: OpenRequest,
    payment: Payment,
    context: Context,
    store: EventStore,
    gateway: Gateway,
    open_requests: OpenRequests,
) -> str:
    """Too late for the key: one of the payment's refunds carries our id, or none was ever made."""
    assert payment.gateway_payment_id is not None, "by which the refund was asked for"
    for made in await gateway.list_refunds(payment.gateway_payment_id):
        if made.refund_id == kept.id:
            await record_made(kept, made, context, store, open_requests)
            return "pending" if made.status.under_way else "found"
    await record_never_made(kept, "not_made", context, store)
    return "ended"
