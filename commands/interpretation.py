"""What a gateway tells us, brought to whoever decides what it means: one case for each family of notices."""

from commands.disputes import hear_of_dispute
from commands.invoices import confirm, drop, miss, pay, settle_checkout
from commands.open_requests import OpenRequests
from commands.ports import Context, EventStore, Receipt
from commands.returns import hear_of_refunds
from commands.settlement import settle
from commands.statements import state
from gateways.errors import NoticeUnreadable
from gateways.notices import (
    ChargeRefunded,
    CheckoutPaid,
    DisputeUpdated,
    InvoiceClosed,
    InvoiceFailed,
    InvoicePaid,
    InvoiceUnconfirmed,
    Irrelevant,
    Notice,
    RefundUpdated,
    SubscriptionStated,
    Unreadable,
)
from gateways.port import Gateway


async def interpret(
    notice: Notice,
    context: Context,
    store: EventStore,
    gateway: Gateway,
    open_requests: OpenRequests,
) -> Receipt | None:
    """Record what a notice means; None where it means nothing to us.

    Where it does not say all, the gateway is asked; what is to be asked after from now on is put among the open requests.

    Raises `NoticeUnmatched`, `NoticeUnreadable`, and `GatewayUnavailable` where the gateway had to be asked.
    """
    match notice:
        case Irrelevant():
            return None
        case Unreadable():
            raise NoticeUnreadable(notice.reason)
        case RefundUpdated() | ChargeRefunded():
            return await hear_of_refunds(notice, context, store, gateway, open_requests)
        case DisputeUpdated():
            return await hear_of_dispute(notice, context, store, gateway, open_requests)
        case SubscriptionStated():
            return await state(notice, context, store, gateway, open_requests)
        case InvoicePaid():
            return await pay(notice, context, store, gateway, open_requests)
        case InvoiceFailed():
            return await miss(notice, context, store, gateway, open_requests)
        case InvoiceUnconfirmed():
            return await confirm(notice, context, store, gateway, open_requests)
        case InvoiceClosed():
            return await drop(notice, context, store, gateway, open_requests)
        case CheckoutPaid(gateway_subscription_id=str(gateway_subscription_id)):
            return await settle_checkout(notice, gateway_subscription_id, context, store, gateway, open_requests)
        case _:
            return await settle(notice, context, store)
