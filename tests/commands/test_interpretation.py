"""What a gateway tells us finds whoever decides what it means; what means nothing, or cannot be read, finds nobody."""

import pytest

from commands.interpretation import interpret
from commands.open_requests import MemoryOpenRequests
from commands.store.memory import MemoryStore
from gateways.errors import NoticeUnmatched, NoticeUnreadable
from gateways.notices import CheckoutExpired, Irrelevant, Unreadable
from gateways.stripe.client import StripeGateway
from tests.commands.payments import context


async def test_a_notice_that_cannot_be_read_waits(gateway: StripeGateway) -> None:
    with pytest.raises(NoticeUnreadable):
        await interpret(
            Unreadable(reason="a session without an id"), context(), MemoryStore(), gateway, MemoryOpenRequests()
        )


async def test_what_is_irrelevant_is_no_command(gateway: StripeGateway) -> None:
    assert await interpret(Irrelevant(), context(), MemoryStore(), gateway, MemoryOpenRequests()) is None


async def test_what_happened_on_a_page_is_settled(gateway: StripeGateway) -> None:
    with pytest.raises(NoticeUnmatched):
        await interpret(
            CheckoutExpired(checkout_id="cs_unknown", payment_id=None),
            context(),
            MemoryStore(),
            gateway,
            MemoryOpenRequests(),
        )
