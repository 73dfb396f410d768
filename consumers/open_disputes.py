"""Disputes that are still open: asked about until their customers' banks have decided."""

from commands.disputes import ask_about_dispute
from commands.open_requests import OpenRequest, OpenRequests
from commands.ports import Context, EventStore
from consumers.open_checkouts import NEVER_RECORDED_AFTER
from domain.payment import PAYMENTS
from gateways.port import Gateway
from vault.port import Vault


async def resolve(
    kept: OpenRequest,
    context: Context,
    store: EventStore,
    gateway: Gateway,
    _vault: Vault,
    _open_requests: OpenRequests,
) -> str:
    """Record how one stands now, and say whether it has `ended`."""
    payment = await store.load(PAYMENTS.at(kept.stream_id))
    dispute = payment.disputes.get(kept.id) if payment is not None else None
    if payment is None or dispute is None:
        return "ended" if context.now - kept.created_at > NEVER_RECORDED_AFTER else "not_recorded"
    if not dispute.status.closed:
        await ask_about_dispute(payment, kept.id, context.step(f"asking/{kept.attempts}"), store, gateway)
        payment = await store.load(PAYMENTS.at(kept.stream_id)) or payment
    return "ended" if payment.disputes[kept.id].status.closed else "still_open"
