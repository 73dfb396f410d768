"""Checkouts that may still be open at the gateway: opened again under the same key, asked about, or looked for."""

from datetime import timedelta

from commands.asking import key_lives
from commands.checkouts import known, open_checkout, record_opened
from commands.interpretation import interpret
from commands.open_requests import OpenRequest, OpenRequests
from commands.ports import Context, Decided, EventStore, States
from domain.payment import PAYMENTS, Payment, checkout
from gateways.port import Gateway
from vault.port import Vault

NEVER_RECORDED_AFTER = timedelta(hours=1)


async def resolve(
    kept: OpenRequest,
    context: Context,
    store: EventStore,
    gateway: Gateway,
    vault: Vault,
    open_requests: OpenRequests,
) -> str:
    """Bring one closer to its end, and say how it stands: `ended`, `opened`, `found`, or why it is still open."""
    payment = await store.load(PAYMENTS.at(kept.stream_id))
    if payment is None:
        return "ended" if context.now - kept.created_at > NEVER_RECORDED_AFTER else "not_recorded"
    if payment.status.ended:
        return "ended"
    if payment.checkout_id is not None:
        return await _ask(payment, payment.checkout_id, context, store, gateway, open_requests)
    if key_lives(kept, context.now):
        return await _open(kept, context, store, gateway, vault, open_requests)
    return await _look_for(kept, context, store, gateway, open_requests)


async def _ask(
    payment: Payment,
    checkout_id: str,
    context: Context,
    store: EventStore,
    gateway: Gateway,
    open_requests: OpenRequests,
) -> str:
    for notice in await gateway.ask(checkout_id):
        await interpret(notice, context.step(f"asked/{notice}"), store, gateway, open_requests)
    after = await store.load(PAYMENTS.at(payment.payment_id))
    return "ended" if after is not None and after.status.ended else "still_open"


async def _open(
    kept: OpenRequest,
    context: Context,
    store: EventStore,
    gateway: Gateway,
    vault: Vault,
    open_requests: OpenRequests,
) -> str:
    """The same request under the same key: whichever of us asks, the gateway opens one page."""
    receipt = await open_checkout(kept, context, store, gateway, vault, open_requests)
    return "opened" if receipt.answer.get("checkout_session_id") else "still_unconfirmed"


async def _look_for(
    kept: OpenRequest, context: Context, store: EventStore, gateway: Gateway, open_requests: OpenRequests
) -> str:
    """Too late for the key: page through what the gateway has for one that carries the payment's id."""
    found = await gateway.find_checkouts(kept.stream_id, kept.created_at)
    if found:
        await record_opened(kept, found[0], context, store, open_requests)
        return "found"
    await _expire(kept, context, store)
    return "ended"


async def _expire(kept: OpenRequest, context: Context, store: EventStore) -> None:
    stream = PAYMENTS.at(kept.stream_id)

    def decide(states: States) -> Decided:
        facts = checkout.expire(known(states, stream), "no checkout was ever opened")
        return Decided([stream.facts(*facts)], {"payment_id": kept.stream_id})

    await store.record(context.step("expired"), [stream], decide)
