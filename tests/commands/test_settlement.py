"""What a gateway's notices mean, in whatever order and however often they come."""

import asyncio
from dataclasses import dataclass
from itertools import permutations

import pytest

from commands.payments import payment_id_of
from commands.ports import Context, Decided, States
from commands.settlement import settle
from commands.store.memory import MemoryStore
from commands.store.postgres import PostgresStore
from domain.payment import PAYMENTS, PaymentSucceeded, Status, checkout
from domain.product import Product
from domain.wallet import WALLETS, wallet_id
from gateways.errors import NoticeUnmatched
from gateways.notices import (
    AttemptDeclined,
    CheckoutExpired,
    CheckoutFailed,
    CheckoutNotice,
    CheckoutPaid,
    CheckoutProcessing,
)
from runtime import postgres
from tests.commands.payments import context
from tests.samples import PACK


@dataclass(frozen=True)
class Sale:
    """A payment that was just initiated, and what a gateway may say of it."""

    store: MemoryStore | PostgresStore
    payment_id: str
    checkout_id: str

    @property
    def paid(self) -> CheckoutPaid:
        return CheckoutPaid(
            checkout_id=self.checkout_id,
            payment_id=self.payment_id,
            amount_minor=10_00,
            currency="usd",
            gateway_payment_id=f"pi_{self.checkout_id}",
            gateway_subscription_id=None,
        )

    @property
    def processing(self) -> CheckoutProcessing:
        return CheckoutProcessing(
            checkout_id=self.checkout_id, payment_id=self.payment_id, gateway_payment_id=f"pi_{self.checkout_id}"
        )

    @property
    def failed(self) -> CheckoutFailed:
        return CheckoutFailed(
            checkout_id=self.checkout_id, payment_id=self.payment_id, code="no_funds", reason="no money came"
        )

    @property
    def expired(self) -> CheckoutExpired:
        return CheckoutExpired(checkout_id=self.checkout_id, payment_id=self.payment_id)

    @property
    def declined(self) -> AttemptDeclined:
        return AttemptDeclined(
            payment_id=self.payment_id, attempt_id=f"ch_{self.checkout_id}", code="card_declined", decline_code=None
        )

    async def hear(self, notice: CheckoutNotice, asked: Context | None = None) -> None:
        await settle(notice, asked or context(actor="gateway:stripe"), self.store)

    async def status(self) -> Status:
        payment = await self.store.load(PAYMENTS.at(self.payment_id))
        assert payment is not None
        return payment.status

    async def balance(self) -> int:
        wallet = await self.store.load(WALLETS.at(wallet_id("prj_shop", "user-1", "api")))
        return wallet.balance if wallet else 0


async def sale(store: MemoryStore | PostgresStore, product: Product = PACK) -> Sale:
    asked = context()
    payment_id = payment_id_of(asked.command_id)
    stream = PAYMENTS.at(payment_id)

    def decide(states: States) -> Decided:
        facts = checkout.initiate(
            states[stream],
            payment_id=payment_id,
            project_id="prj_shop",
            user_id="user-1",
            product=product,
            quantity=1,
            gateway="stripe",
            metadata={},
            now=asked.now,
        )
        return Decided([stream.facts(*facts)], {})

    await store.record(asked, [stream], decide)
    return Sale(store, payment_id, f"cs_{asked.command_id.hex}")


@pytest.mark.parametrize(
    ("told", "status", "balance"),
    [
        (("paid",), Status.SUCCEEDED, 1000),
        (("processing",), Status.PROCESSING, 0),
        (("processing", "paid"), Status.SUCCEEDED, 1000),
        (("processing", "failed"), Status.FAILED, 0),
        (("declined",), Status.INITIATED, 0),
        (("declined", "expired"), Status.EXPIRED, 0),
        (("expired", "paid"), Status.SUCCEEDED, 1000),
        (("failed", "paid"), Status.SUCCEEDED, 1000),
    ],
)
async def test_notices_move_a_payment(told: tuple[str, ...], status: Status, balance: int) -> None:
    bought = await sale(MemoryStore())

    for word in told:
        await bought.hear(getattr(bought, word))

    assert (await bought.status(), await bought.balance()) == (status, balance)


async def test_every_order_of_a_payment_s_notices_ends_in_the_money() -> None:
    for order in permutations(("paid", "processing", "failed", "expired", "declined")):
        bought = await sale(MemoryStore())
        for word in (*order, *order):
            await bought.hear(getattr(bought, word))

        assert (await bought.status(), await bought.balance()) == (Status.SUCCEEDED, 1000), order


async def test_a_success_and_what_it_buys_are_one_commit() -> None:
    store = MemoryStore()
    bought = await sale(store)

    await bought.hear(bought.paid)

    succeeded, purchased = store.rows[-2:]
    assert (succeeded.type, purchased.type) == ("payment.succeeded", "credits.purchased")
    assert succeeded.version == 2


async def test_a_project_is_the_payment_s_whatever_the_notice_says() -> None:
    store = MemoryStore()
    bought = await sale(store)

    receipt = await settle(bought.paid, context(project_id="prj_of_somebody_else"), store)

    assert receipt is not None
    assert receipt.answer == {"payment_id": bought.payment_id}
    assert await bought.balance() == 1000


async def test_what_names_only_its_checkout_finds_the_payment_once_that_is_known() -> None:
    bought = await sale(MemoryStore())
    await bought.hear(bought.processing)

    nameless = CheckoutFailed(checkout_id=bought.checkout_id, payment_id=None, code="no_funds", reason="no money came")
    await bought.hear(nameless)

    assert await bought.status() is Status.FAILED


@pytest.mark.parametrize("payment_id", [None, "pay_unknown"])
async def test_a_notice_of_an_unknown_payment_waits(payment_id: str | None) -> None:
    with pytest.raises(NoticeUnmatched):
        await settle(CheckoutExpired(checkout_id="cs_unknown", payment_id=payment_id), context(), MemoryStore())


async def test_the_end_of_another_page_is_not_the_end_of_this_payment() -> None:
    bought = await sale(MemoryStore())
    await bought.hear(bought.processing)

    for other in (
        CheckoutExpired(checkout_id="cs_other", payment_id=bought.payment_id),
        CheckoutFailed(checkout_id="cs_other", payment_id=bought.payment_id, code="x", reason="x"),
    ):
        await bought.hear(other)

    assert await bought.status() is Status.PROCESSING


async def test_money_from_another_page_is_taken() -> None:
    store = MemoryStore()
    bought = await sale(store)
    await bought.hear(bought.processing)

    other = CheckoutPaid(
        checkout_id="cs_other",
        payment_id=bought.payment_id,
        amount_minor=9_00,
        currency="usd",
        gateway_payment_id="pi_other",
        gateway_subscription_id=None,
    )
    await bought.hear(other)

    succeeded = next(event for event in store.events if isinstance(event, PaymentSucceeded))
    assert (succeeded.checkout_id, succeeded.amount_differs) == ("cs_other", True)


async def test_the_same_proof_many_times_at_once_buys_once(database_url: str) -> None:
    async with postgres.pool(database_url, name="test", size=10) as pool:
        store = PostgresStore(pool)
        sales = [await sale(store) for _ in range(5)]

        await asyncio.gather(*(bought.hear(bought.paid) for bought in sales for _ in range(6)))

        assert [await bought.status() for bought in sales] == [Status.SUCCEEDED] * 5
        assert await sales[0].balance() == 5000
        await store.close()
