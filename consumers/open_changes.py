"""Changes of subscriptions whose outcome is not known: asked for again under the same key, or seen from how things stand."""

from commands.open_requests import OpenRequest, OpenRequests
from commands.ports import Context, EventStore
from commands.subscriptions import ask_for_change
from consumers.open_checkouts import NEVER_RECORDED_AFTER
from domain.errors import Refused
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
    """Bring one closer to its end, and say how it stands: `ended`, or why it is still open."""
    if await store.receipt(context) is None:
        return "ended" if context.now - kept.created_at > NEVER_RECORDED_AFTER else "not_recorded"
    if await store.receipt(context.step("answered")) is not None:
        return "ended"
    try:
        receipt = await ask_for_change(kept, context, store, gateway, vault, open_requests)
    except Refused:
        return "ended"
    return "ended" if receipt.answer["outcome"] == "done" else "still_unconfirmed"
