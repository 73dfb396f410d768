"""Use that may or may not have been counted: reported again under the same identifier until that is known."""

from commands.open_requests import OpenRequest, OpenRequests
from commands.ports import Context, EventStore
from commands.usage import report_usage
from domain.usage import USAGE
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
    """Have it counted, and say that it has `ended`. Raises `GatewayUnavailable` where that is still unclear."""
    usage = await store.load(USAGE.at(kept.stream_id))
    assert usage is not None, "recorded before the gateway is asked"
    await report_usage(usage, kept.created_at, context, store, gateway)
    return "ended"
