"""Subscriptions that run: asked after at the gateway for what no webhook told, and ended where their grace period is over."""

from contextlib import suppress
from uuid import uuid4

import structlog

from commands.interpretation import interpret
from commands.open_requests import OpenRequest, OpenRequests
from commands.ports import Answer, Context, EventStore
from commands.statements import Overtaken, end_grace, state_as_asked, watch_on
from consumers.open_checkouts import NEVER_RECORDED_AFTER
from domain.subscription import SUBSCRIPTIONS, Subscription
from gateways.errors import NoticeUnmatched, SubscriptionUnknownThere
from gateways.port import Gateway
from vault.port import Vault

log = structlog.get_logger()


async def resolve(
    kept: OpenRequest,
    context: Context,
    store: EventStore,
    gateway: Gateway,
    vault: Vault,  # noqa: ARG001 - nothing was sealed: there is nothing to send again
    open_requests: OpenRequests,
) -> str:
    """Bring what is known of one up to what the gateway has. `ended`, `lapsed`, `repaired`, `current`, or why it is unknown."""
    stream = SUBSCRIPTIONS.at(kept.stream_id)
    known = await store.load(stream)
    if known is None:
        return "ended" if context.now - kept.created_at > NEVER_RECORDED_AFTER else "not_recorded"
    try:
        await _ask(known, context, store, gateway, open_requests)
    except SubscriptionUnknownThere:
        log.warning("subscription_unknown_at_gateway", subscription_id=kept.stream_id)
        return "unknown_there"
    lapsed = await end_grace(stream, context, store)
    after = await store.load(stream)
    assert after is not None, "it was there before"
    await watch_on(stream, context.now, store, open_requests)
    if after.ended:
        return "ended"
    return "lapsed" if lapsed else "repaired" if after != known else "current"


async def _ask(
    known: Subscription, context: Context, store: EventStore, gateway: Gateway, open_requests: OpenRequests
) -> None:
    """First how it stands: what its invoices come to depends on that, and not the other way round."""
    stated = await gateway.read_subscription(known.gateway_subscription_id)
    with suppress(Overtaken):  # Then a webhook knew better, just now.
        await state_as_asked(known, stated, context.step(f"asked/{uuid4()}"), store, _answer)
    for notice in await gateway.ask_about_invoices(known.gateway_subscription_id):
        try:
            await interpret(notice, context.step(f"asked/{notice}"), store, gateway, open_requests)
        except NoticeUnmatched:  # Its own checkout's page is not known yet.
            continue


def _answer(subscription: Subscription) -> Answer:
    return {"subscription_id": subscription.subscription_id}
