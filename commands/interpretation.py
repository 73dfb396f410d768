"""What a gateway tells us, brought to whoever decides what it means: one case for each family of notices."""

from commands.open_requests import OpenRequests
from commands.ports import Context, EventStore, Receipt
from commands.settlement import settle
from gateways.errors import NoticeUnreadable
from gateways.notices import Irrelevant, Notice, Unreadable
from gateways.port import Gateway


async def interpret(
    notice: Notice,
    context: Context,
    store: EventStore,
    gateway: Gateway,  # noqa: ARG001 - for notices that do not say all: the gateway is asked
    open_requests: OpenRequests,  # noqa: ARG001 - for what is to be asked after from now on
) -> Receipt | None:
    """Record what a notice means; None where it means nothing to us.

    Raises `NoticeUnmatched`, `NoticeUnreadable`, and `GatewayUnavailable` where the gateway had to be asked.
    """
    match notice:
        case Irrelevant():
            return None
        case Unreadable():
            raise NoticeUnreadable(notice.reason)
        case _:
            return await settle(notice, context, store)
