"""Whatever goes wrong with a call to the gateway, before or after it acted: money moves once, and nothing stays open.

A table of every call that the port has, times everything that networks and Stripe do wrong. Each row tells a story in three
parts, with a `yield` between them: what stands before, the deed in which its call fails, and how all stands once the
reconciler has run. A call of the port without a row, and a row whose deed does not make its call, fail.
"""

import asyncio
import inspect
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast, get_type_hints

import pytest
from stripe import _http_client

from commands.customers import UserEvent, Word, hear_of_user
from commands.missed import OVERLAP, Mark, PostgresMarks
from commands.notices import PostgresNotices, apply, context_of, keep
from commands.open_requests import OpenRequest, PostgresOpenRequests, RequestKind, to_send
from commands.payments import payment_id_of
from commands.ports import Context, Decided
from commands.refunds import RefundPayment, refund_payment
from commands.store.postgres import PostgresStore
from commands.subscriptions import ChangeSubscription, change_id_of, change_subscription
from commands.usage import RecordUsage, record_usage
from consumers import open_checkouts, open_subscriptions
from consumers.reconciler import Reconciler
from domain.customer import CUSTOMERS, Standing, customer_id
from domain.payment import Payment, Status
from domain.project import PROJECTS
from domain.project.registration import register
from domain.subscription import SUBSCRIPTIONS, Subscription, subscription_id
from domain.subscription.changes import Proration
from domain.usage import USAGE
from domain.usage import Status as UsageStatus
from domain.wallet import WALLETS, wallet_id
from gateways.errors import GatewayUnavailable, NoticeUnmatched
from gateways.port import Checkout, Gateway
from gateways.stripe import paced
from gateways.stripe.client import StripeGateway
from runtime import postgres
from runtime.postgres import Pool
from tests.commands.payments import SHOP, Desk, context, order
from tests.commands.subscriptions import CALLS, MONTHLY
from tests.sandbox.stripe.lookalike import API_KEY, WEBHOOK_SECRET, LookAlike
from vault.memory import MemoryVault

CARD = "4242424242424242"
TIMEOUT_SECONDS = 0.1
HANGS_SECONDS = 0.3
SHORTLY, NEXT_DAY = timedelta(minutes=2), timedelta(hours=25)
PRODUCTS = replace(SHOP, products={**SHOP.products, MONTHLY.product_id: MONTHLY, CALLS.product_id: CALLS})

ALL = 99  # of the attempts that are made for one call

# What goes wrong with a call, attempt by attempt. Stripe acts in the first one of those called `after`, and in no other.
FAULTS: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "refused before": (),  # Nobody listens.
    "refused after": ({"kind": "reset_after", "times": 1}, {"kind": "reset_before", "times": ALL}),
    "reset before": ({"kind": "reset_before", "times": ALL},),
    "reset after": ({"kind": "reset_after", "times": ALL},),
    "timeout before": ({"kind": "hang_before", "times": ALL, "seconds": HANGS_SECONDS},),
    "timeout after": ({"kind": "hang_after", "times": ALL, "seconds": HANGS_SECONDS},),
    "500 before": ({"kind": "server_error", "times": ALL},),
    "500 after": ({"kind": "server_error_after", "times": ALL},),
    "429 before": ({"kind": "rate_limit", "times": ALL},),
    "429 after": ({"kind": "reset_after", "times": 1}, {"kind": "rate_limit", "times": ALL}),
    "409 before": ({"kind": "conflict", "times": ALL},),
    "409 after": ({"kind": "reset_after", "times": 1}, {"kind": "conflict", "times": ALL}),
}


class Struck:
    """The gateway. While one of its calls is struck, a fault is in force at Stripe whenever that call is under way."""

    name = "stripe"

    def __init__(self, gateway: StripeGateway, lookalike: LookAlike) -> None:
        self._gateway, self._lookalike = gateway, lookalike
        self.call = ""
        self.strikes = self.failures = 0
        self._worse: StripeGateway = gateway
        self._faults: Sequence[Mapping[str, Any]] = ()

    def strike(self, call: str, faults: Sequence[Mapping[str, Any]], worse: StripeGateway) -> None:
        """From now on until `heal`, over this gateway to the same Stripe."""
        self.call, self._faults, self._worse = call, faults, worse
        self.strikes = self.failures = 0

    def heal(self) -> None:
        self.call = ""

    def __getattr__(self, name: str) -> Any:
        if name != self.call:
            return getattr(self._gateway, name)
        call = getattr(self._worse, name)
        return failing_list(self, call) if inspect.isasyncgenfunction(call) else failing_call(self, call)

    @asynccontextmanager
    async def failing(self) -> AsyncIterator[None]:
        self.strikes += 1
        for fault in self._faults:
            await self._lookalike.control("faults", **fault)
        try:
            yield
        except GatewayUnavailable:
            self.failures += 1
            raise
        finally:
            await self._lookalike.http.delete("/sandbox/faults")


def failing_call(struck: Struck, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def made(*about: Any) -> Any:
        async with struck.failing():
            return await call(*about)

    return made


def failing_list(struck: Struck, call: Callable[..., AsyncIterator[Any]]) -> Callable[..., AsyncIterator[Any]]:
    async def made(*about: Any) -> AsyncIterator[Any]:
        async with struck.failing():
            async for one in call(*about):
                yield one

    return made


@dataclass(frozen=True)
class Stage:
    """A service on a real store, over a gateway that can be struck, and the moves that the stories make."""

    desk: Desk
    struck: Struck
    dead: StripeGateway
    lookalike: LookAlike
    notices: PostgresNotices
    marks: PostgresMarks
    pool: Pool
    began: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def gateway(self) -> Gateway:
        return cast(Gateway, self.struck)

    @property
    def reconciler(self) -> Reconciler:
        desk = self.desk
        return Reconciler(desk.store, self.gateway, desk.vault, self.notices, desk.open_requests, self.marks)

    async def reconcile(self) -> None:
        """Two minutes later, when the keys are known still, and a day later, when they are not."""
        for later in (SHORTLY, NEXT_DAY):
            now = self.began + later
            await self.reconciler.report_usage(now)
            await self.reconciler.reconcile(now, limit=1000)

    # Deeds, each of which may fail as the gateway does, and in no other way.

    async def attempt(self, deed: Awaitable[Any]) -> None:
        with suppress(GatewayUnavailable):
            await deed

    async def deliver(self, type: str, subject: Mapping[str, Any], made_at: datetime | None = None) -> None:
        """A webhook as the route takes it: kept, then applied; what fails is swept."""
        event = {
            "id": f"evt_{uuid.uuid4().hex}",
            "object": "event",
            "api_version": "2026-10-28.endive",
            "created": int((made_at or datetime.now(UTC)).timestamp()),
            "livemode": False,
            "type": type,
            "data": {"object": subject},
        }
        desk, now = self.desk, datetime.now(UTC)
        delivery = self.struck.reread(json.dumps(event).encode())
        kept = await keep(delivery, "stripe", now, desk.store, desk.vault, self.notices)
        with suppress(GatewayUnavailable, NoticeUnmatched):
            asked = context_of(kept, f"req_{uuid.uuid4().hex}", now)
            await apply(delivery, kept, asked, desk.store, self.gateway, desk.open_requests, self.notices)

    async def resolve(self, kind: RequestKind, id: str, at: datetime) -> None:
        """As a pass of the reconciler does with one thing that is open."""
        resolves = {
            RequestKind.CHECKOUT: open_checkouts.resolve,
            RequestKind.SUBSCRIPTION: open_subscriptions.resolve,
        }
        desk, kept = self.desk, await self.kept(kind, id)
        at_then = kept.context(at, "system:reconciler")
        await self.attempt(resolves[kind](kept, at_then, desk.store, self.gateway, desk.vault, desk.open_requests))

    async def change(self, subscription: Subscription, asked: Context) -> Any:
        command = ChangeSubscription(
            project=PRODUCTS,
            subscription_id=subscription.subscription_id,
            product_id=None,
            quantity=3,
            proration=Proration.INVOICE_NOW,
            reason="more seats",
        )
        desk = self.desk
        return await change_subscription(command, asked, desk.store, self.gateway, desk.vault, desk.open_requests)

    # What stands, here and there.

    async def kept(self, kind: RequestKind, id: str) -> OpenRequest:
        found = await self.desk.open_requests.get(kind, id)
        assert found is not None
        return found

    async def payment(self, asked: Context) -> Payment:
        return await self.desk.payment(asked)

    async def start(self, asked: Context, **changes: Any) -> Any:
        return await self.desk.start(asked, order(project=PRODUCTS, user_id=user_of(asked), **changes))

    async def pay(self, asked: Context, **changes: Any) -> dict[str, Any]:
        """A checkout that its customer has paid, without our knowing it. The session as Stripe has it."""
        opened = await self.start(asked, **changes)
        await self.lookalike.control(f"checkout/{opened.answer['checkout_session_id']}/pay", card_number=CARD)
        return await self.there(f"checkout/sessions/{opened.answer['checkout_session_id']}")

    async def sell(self, asked: Context, **changes: Any) -> Payment:
        session = await self.pay(asked, **changes)
        await self.deliver("checkout.session.completed", session)
        return await self.payment(asked)

    async def subscribe(self, product_id: str = "pro") -> Subscription:
        asked = context()
        await self.sell(asked, product_id=product_id)
        (mine,) = await self.desk.store.owned(customer_id(SHOP.project_id, user_of(asked)), "sub_")
        return await self.subscription(mine)

    async def subscription(self, id: str) -> Subscription:
        found = await self.desk.store.load(SUBSCRIPTIONS.at(id))
        assert found is not None
        return found

    async def there(self, path: str, **query: Any) -> dict[str, Any]:
        """An object or a list as Stripe has it."""
        answer = await self.lookalike.http.get(f"/v1/{path}", params=query, auth=(API_KEY, ""))
        assert answer.is_success, answer.text
        return cast(dict[str, Any], answer.json())

    async def lost_page(self, asked: Context) -> str:
        """The id of a page that was opened for a payment, though we never heard of it."""
        await self.desk.with_gateway(self.dead).start(
            asked, order(project=PRODUCTS, user_id=user_of(asked), product_id="pro")
        )
        kept = await self.kept(RequestKind.CHECKOUT, payment_id_of(asked.command_id))
        opened: Checkout = await self.struck.open_checkout(*await to_send(kept, self.desk.vault))
        return opened.checkout_id

    async def pages_of(self, payment_id: str) -> list[str]:
        """The ids of all pages at Stripe that were opened for a payment."""
        newest = (await self.there("checkout/sessions", limit=100))["data"]
        return [session["id"] for session in newest if session["client_reference_id"] == payment_id]

    async def refunds_of(self, payment: Payment) -> list[dict[str, Any]]:
        found = await self.there("refunds", payment_intent=payment.gateway_payment_id)
        return list(found["data"])

    async def charge_of(self, payment: Payment) -> dict[str, Any]:
        (charge,) = (await self.there("charges", payment_intent=payment.gateway_payment_id))["data"]
        return cast(dict[str, Any], charge)

    async def refund_in_dashboard(self, payment: Payment) -> dict[str, Any]:
        made = await self.lookalike.client.v1.refunds.create_async(
            {"payment_intent": str(payment.gateway_payment_id), "amount": 4_00}
        )
        return await self.there(f"refunds/{made.id}")

    async def is_open(self, kind: RequestKind, id: str) -> bool:
        due = await self.desk.open_requests.due(self.began + timedelta(days=9), 10_000)
        return (kind, id) in [(kept.kind, kept.id) for kept in due]


def user_of(asked: Context) -> str:
    return f"user-{asked.command_id.hex}"


# The table. Stripe acts in some calls, and does nothing in others but answer: these fail in one way only, before or after.

Story = Callable[[Stage], AsyncIterator[None]]
ACTING: dict[str, Story] = {}
ASKING: dict[str, Story] = {}


def story_of(call: str, *, acts: bool = False) -> Callable[[Story], Story]:
    def note(story: Story) -> Story:
        assert call not in ACTING.keys() | ASKING.keys()
        (ACTING if acts else ASKING)[call] = story
        return story

    return note


@story_of("open_checkout", acts=True)
async def a_page_is_opened_once(stage: Stage) -> AsyncIterator[None]:
    asked = context()
    yield
    await stage.attempt(stage.start(asked))
    yield
    payment = await stage.payment(asked)
    pages = await stage.pages_of(payment.payment_id)
    assert len(pages) <= 1
    assert payment.status is (Status.CHECKOUT_OPENED if pages else Status.EXPIRED)
    if pages:
        await stage.lookalike.control(f"checkout/{pages[0]}/pay", card_number=CARD)
        await stage.resolve(RequestKind.CHECKOUT, payment.payment_id, stage.began + 2 * NEXT_DAY)
        assert (await stage.payment(asked)).status is Status.SUCCEEDED


@story_of("expire_checkout", acts=True)
async def a_page_is_closed(stage: Stage) -> AsyncIterator[None]:
    asked, canceled = context(), context()
    await stage.start(asked)
    payment = await stage.payment(asked)
    yield
    await stage.attempt(stage.desk.cancel(payment.payment_id, canceled))
    yield
    if not (await stage.payment(asked)).status.ended:
        await stage.desk.cancel(payment.payment_id)
    assert (await stage.there(f"checkout/sessions/{payment.checkout_id}"))["status"] == "expired"
    assert (await stage.payment(asked)).status in (Status.CANCELED, Status.EXPIRED)


@story_of("refund", acts=True)
async def money_goes_back_once(stage: Stage) -> AsyncIterator[None]:
    payment, asked = await stage.sell(bought := context()), context()
    yield
    await stage.attempt(refund(stage, payment, asked))
    yield
    made, now = await stage.refunds_of(payment), await stage.payment(bought)
    assert [one["amount"] for one in made] in ([], [4_00])
    assert (now.refunded_minor, now.reserved_minor) == (sum(one["amount"] for one in made), 0)
    wallet = await stage.desk.store.load(WALLETS.at(wallet_id(SHOP.project_id, user_of(bought), "api")))
    assert wallet is not None
    assert wallet.balance == 1000 - now.refunded_minor
    (known,) = now.refunds.values()
    assert made or known.failure_code == "not_made"
    assert not known.status.under_way
    assert not await stage.is_open(RequestKind.REFUND, known.refund_id)


async def refund(stage: Stage, payment: Payment, asked: Context) -> None:
    command = RefundPayment(
        project_id=SHOP.project_id, payment_id=payment.payment_id, amount_minor=4_00, reason=None, metadata={}
    )
    desk = stage.desk
    await refund_payment(command, asked, desk.store, stage.gateway, desk.vault, desk.open_requests)


@story_of("change_subscription", acts=True)
async def a_subscription_is_changed_and_charged_for_it_once(stage: Stage) -> AsyncIterator[None]:
    subscription, asked = await stage.subscribe(), context()
    yield
    await stage.attempt(stage.change(subscription, asked))
    yield
    await is_changed_once(stage, subscription, asked)


async def is_changed_once(stage: Stage, subscription: Subscription, asked: Context) -> None:
    there = await stage.there(f"subscriptions/{subscription.gateway_subscription_id}")
    now = await stage.subscription(subscription.subscription_id)
    assert now.standing.quantity == there["items"]["data"][0]["quantity"]
    invoices = (await stage.there("invoices", subscription=subscription.gateway_subscription_id))["data"]
    changed = [invoice for invoice in invoices if invoice["billing_reason"] == "subscription_update"]
    assert len(changed) == (1 if now.standing.quantity == 3 else 0)
    assert not await stage.is_open(RequestKind.SUBSCRIPTION_CHANGE, change_id_of(asked.command_id))


@story_of("subscription_request")
async def a_change_that_could_not_be_prepared_is_asked_for_again(stage: Stage) -> AsyncIterator[None]:
    subscription, asked = await stage.subscribe(), context()
    yield
    await stage.attempt(stage.change(subscription, asked))
    yield
    assert (await stage.change(subscription, asked)).answer["outcome"] == "done"
    assert (await stage.subscription(subscription.subscription_id)).standing.quantity == 3
    await is_changed_once(stage, subscription, asked)


@story_of("end_subscription", acts=True)
async def who_is_erased_is_charged_no_more(stage: Stage) -> AsyncIterator[None]:
    subscription, asked = await stage.subscribe(), context(actor="users:owner")
    event = UserEvent(
        event_id=f"event-{asked.command_id.hex}",
        word=Word.DELETED,
        project_id=SHOP.project_id,
        user_id=subscription.standing.user_id,
        reason="",
        changed=(),
        personal={},
    )

    async def hear() -> None:
        await hear_of_user(event, asked, stage.desk.store, stage.gateway, stage.desk.vault)

    yield
    await stage.attempt(hear())
    yield
    await hear()  # The record comes again until it was heard.
    assert (await stage.there(f"subscriptions/{subscription.gateway_subscription_id}"))["status"] == "canceled"
    customer = await stage.desk.store.load(CUSTOMERS.at(event.customer_id))
    assert customer is not None
    assert customer.standing is Standing.ERASED


@story_of("report_usage", acts=True)
async def what_was_used_is_counted_once(stage: Stage) -> AsyncIterator[None]:
    subscription = await stage.subscribe("calls")
    yield
    command = RecordUsage(
        project=PRODUCTS,
        user_id=subscription.standing.user_id,
        product_id="calls",
        quantity=5,
        used_at=None,
        identifier=subscription.standing.user_id,
    )
    recorded = await record_usage(command, context(now=stage.began), stage.desk.store)
    await stage.reconciler.report_usage(stage.began + timedelta(seconds=1))
    yield
    usage = await stage.desk.store.load(USAGE.at(recorded.answer["usage_id"]))
    assert usage is not None
    assert usage.status is UsageStatus.REPORTED
    there = await stage.there(f"subscriptions/{subscription.gateway_subscription_id}")
    start = int(stage.began.timestamp()) // 60 * 60
    span = {"start_time": start - 86400, "end_time": start + 86400}
    counted = await stage.there("billing/meters/mtr_calls/event_summaries", customer=there["customer"], **span)
    assert [summary["aggregated_value"] for summary in counted["data"]] == [5]


# Calls that ask. What cannot be learned now is learned later, by whoever it is that asks again.


@story_of("list_refunds")
async def a_sum_that_went_back_is_told_by_its_refunds(stage: Stage) -> AsyncIterator[None]:
    payment = await stage.sell(bought := context())
    await stage.refund_in_dashboard(payment)
    yield
    await stage.deliver("charge.refunded", await stage.charge_of(payment))
    yield
    assert (await stage.payment(bought)).refunded_minor == 4_00


@story_of("payment_of_charge")
async def a_refund_that_names_its_charge_alone_finds_its_payment(stage: Stage) -> AsyncIterator[None]:
    payment = await stage.sell(bought := context())
    made = await stage.refund_in_dashboard(payment)
    yield
    await stage.deliver("refund.created", {**made, "payment_intent": None, "metadata": {}})
    yield
    assert (await stage.payment(bought)).refunded_minor == 4_00


@story_of("invoice_paid_with")
async def a_refund_of_an_untraced_payment_finds_its_invoice(stage: Stage) -> AsyncIterator[None]:
    """An invoice's payment is found by the gateway where no word of it came along."""
    subscription = await stage.subscribe()
    found = (await stage.there("payment_intents", customer=await customer_of(stage, subscription)))["data"]
    told = await stage.struck.invoice_paid_with(found[0]["id"])
    yield
    await stage.attempt(stage.struck.invoice_paid_with(found[0]["id"]))
    yield
    assert await stage.struck.invoice_paid_with(found[0]["id"]) == told


async def customer_of(stage: Stage, subscription: Subscription) -> str:
    return str((await stage.there(f"subscriptions/{subscription.gateway_subscription_id}"))["customer"])


@story_of("read_dispute")
async def a_stale_word_of_a_dispute_changes_nothing(stage: Stage) -> AsyncIterator[None]:
    payment = await stage.sell(bought := context())
    charge = await stage.charge_of(payment)
    opened = await stage.lookalike.control(f"charges/{charge['id']}/dispute")
    closed = await stage.lookalike.control(f"disputes/{opened['id']}/settle", outcome="win")
    await stage.deliver("charge.dispute.closed", closed)
    yield
    await stage.deliver("charge.dispute.created", opened)
    yield
    now = await stage.payment(bought)
    assert now.dispute_status == closed["status"] == "won"


@story_of("read_price")
async def a_price_that_could_not_be_read_is_sold_later(stage: Stage) -> AsyncIterator[None]:
    asked = context()
    yield
    await stage.attempt(stage.start(asked, product_id=None, price_id="price_yen"))
    yield
    answer = (await stage.start(asked, product_id=None, price_id="price_yen")).answer
    assert answer["status"] == "checkout_opened"
    assert len(await stage.pages_of(answer["payment_id"])) == 1


@story_of("ask")
async def a_payment_is_learned_of_later(stage: Stage) -> AsyncIterator[None]:
    asked = context()
    await stage.pay(asked)
    yield
    await stage.resolve(RequestKind.CHECKOUT, payment_id_of(asked.command_id), stage.began + NEXT_DAY)
    yield
    assert (await stage.payment(asked)).status is Status.SUCCEEDED


@story_of("find_checkouts")
async def a_page_that_was_lost_is_found_later(stage: Stage) -> AsyncIterator[None]:
    asked = context()
    page = await stage.lost_page(asked)
    yield
    await stage.resolve(RequestKind.CHECKOUT, payment_id_of(asked.command_id), stage.began + NEXT_DAY)
    yield
    payment = await stage.payment(asked)
    assert (payment.status, payment.checkout_id) == (Status.CHECKOUT_OPENED, page)
    assert await stage.pages_of(payment.payment_id) == [page]


@story_of("read_subscription")
async def an_end_that_nobody_told_of_is_seen_later(stage: Stage) -> AsyncIterator[None]:
    subscription = await stage.subscribe()
    await stage.lookalike.client.v1.subscriptions.cancel_async(subscription.gateway_subscription_id)
    yield
    await stage.resolve(RequestKind.SUBSCRIPTION, subscription.subscription_id, stage.began + SHORTLY)
    yield
    assert (await stage.subscription(subscription.subscription_id)).ended
    assert not await stage.is_open(RequestKind.SUBSCRIPTION, subscription.subscription_id)


@story_of("ask_about_invoices")
async def an_invoice_that_nobody_told_of_is_seen_later(stage: Stage) -> AsyncIterator[None]:
    """The invoice of the checkout itself, whose payment is settled by it."""
    page = await stage.lost_page(asked := context())
    await stage.lookalike.control(f"checkout/{page}/pay", card_number=CARD)
    session = await stage.there(f"checkout/sessions/{page}")
    there = await stage.there(f"subscriptions/{session['subscription']}")
    await stage.deliver("customer.subscription.created", there)
    yield
    id = subscription_id("stripe", session["subscription"])
    await stage.resolve(RequestKind.SUBSCRIPTION, id, stage.began + SHORTLY)
    yield
    assert (await stage.payment(asked)).status is Status.SUCCEEDED


async def first_invoice(stage: Stage, page_id: str) -> dict[str, Any]:
    """Of the subscription that began on a page, as a webhook shows it: without its payments."""
    session = await stage.there(f"checkout/sessions/{page_id}")
    return await stage.there(f"invoices/{session['invoice']}")


@story_of("read_invoice")
async def what_an_invoice_was_paid_with_is_learned_later(stage: Stage) -> AsyncIterator[None]:
    asked = context()
    session = await stage.pay(asked, product_id="pro")
    invoice = await first_invoice(stage, session["id"])
    yield
    await stage.deliver("invoice.paid", invoice)
    yield
    assert (await stage.payment(asked)).status is Status.SUCCEEDED


@story_of("find_checkout")
async def whose_first_invoice_it_is_is_learned_later(stage: Stage) -> AsyncIterator[None]:
    page = await stage.lost_page(asked := context())
    await stage.lookalike.control(f"checkout/{page}/pay", card_number=CARD)
    invoice = await first_invoice(stage, page)
    yield
    await stage.deliver("invoice.paid", invoice)
    yield
    payment = await stage.payment(asked)
    assert (payment.status, payment.checkout_id) == (Status.SUCCEEDED, page)


@story_of("invoice_page")
async def the_page_of_an_invoice_is_shown_later(stage: Stage) -> AsyncIterator[None]:
    session = await stage.pay(context(), product_id="pro")
    yield
    await stage.attempt(stage.struck.invoice_page(session["invoice"]))
    yield
    assert session["invoice"] in str(await stage.struck.invoice_page(session["invoice"]))


@story_of("missed")
async def a_webhook_that_was_lost_is_fetched_later(stage: Stage) -> AsyncIterator[None]:
    asked = context()
    yield
    now = datetime.now(UTC)
    await stage.marks.put("stripe", Mark(now + OVERLAP, now))  # What the other stories did is no matter of this one.
    await stage.pay(asked)
    fetched = await stage.reconciler.fetch_missed(now + SHORTLY)
    assert set(fetched) & {"missed_gateway_unavailable", "missed_gateway_busy"}
    yield
    await stage.reconciler.fetch_missed(now + SHORTLY)
    assert (await stage.payment(asked)).status is Status.SUCCEEDED


@story_of("greet")
async def a_greeting_tells_that_it_is_there_again(stage: Stage) -> AsyncIterator[None]:
    yield
    await stage.attempt(stage.struck.greet())
    yield
    await stage.struck.greet()


# The play.


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses between attempts that take no time."""
    monkeypatch.setattr(_http_client.HTTPClient, "INITIAL_DELAY", 0.001)
    monkeypatch.setattr(paced, "PAUSES_SECONDS", (0.001, 0.002))


@pytest.fixture
async def stage(database_url: str, gateway: StripeGateway, lookalike: LookAlike, quick: None) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as closing:
        pool = await closing.enter_async_context(postgres.pool(database_url, name="test", size=6))
        store = PostgresStore(pool)
        closing.push_async_callback(store.close)
        dead = StripeGateway(API_KEY, [], "http://127.0.0.1:1")
        closing.push_async_callback(dead.close)
        struck = Struck(gateway, lookalike)
        desk = Desk(cast(StripeGateway, struck), store, MemoryVault(), PostgresOpenRequests(pool))
        stage = Stage(desk, struck, dead, lookalike, PostgresNotices(pool), PostgresMarks(pool), pool)
        await lookalike.control("deliveries/hold")  # Nobody listens: each story tells what it needs.
        project = PROJECTS.at(SHOP.project_id)
        facts = register(
            None,
            project_id=SHOP.project_id,
            name=SHOP.name,
            domain=SHOP.domain,
            default_currency=SHOP.default_currency,
            products=list(PRODUCTS.products.values()),
            payment_types=None,
            features=None,
        )
        await store.record(context(), [project], lambda _: Decided([project.facts(*facts)], {}))
        yield stage


def calls_of_the_port() -> set[str]:
    """Those that ask the gateway something: all that have to be waited for."""
    return {
        name
        for name, member in vars(Gateway).items()
        if inspect.iscoroutinefunction(member)
        or (inspect.isfunction(member) and "AsyncIterator" in str(get_type_hints(member).get("return")))
    }


def test_every_call_of_the_port_has_its_row() -> None:
    assert ACTING.keys() | ASKING.keys() == calls_of_the_port()


@pytest.mark.parametrize("fault", FAULTS)
async def test_no_fault_of_any_call_moves_money_twice_or_leaves_anything_open(stage: Stage, fault: str) -> None:
    table = ACTING if "after" in fault else ACTING | ASKING
    stories = {call: story(stage) for call, story in table.items()}
    await asyncio.gather(*(anext(story) for story in stories.values()))
    worse = stage.dead if not FAULTS[fault] else stage.struck._gateway
    if "timeout" in fault:
        worse = StripeGateway(API_KEY, [WEBHOOK_SECRET], stage.lookalike.address, timeout_seconds=TIMEOUT_SECONDS)
    for call, story in stories.items():
        stage.struck.strike(call, FAULTS[fault], worse)
        await anext(story)
        assert stage.struck.strikes, f"the story of {call} does not call it"
        assert stage.struck.failures or "after" in fault, (
            f"{call} did not fail; after Stripe acted a retry may tell that"
        )
    stage.struck.heal()
    if "timeout" in fault:
        await worse.close()
        await asyncio.sleep(HANGS_SECONDS)  # What hung is done by then, though nobody waits for it.

    await stage.reconcile()

    ends = await asyncio.gather(*(anext(story, None) for story in stories.values()), return_exceptions=True)
    wrong = {call: end for call, end in zip(stories, ends, strict=True) if end is not None}
    assert not wrong, f"{fault}: " + "; ".join(f"{call}: {end!r}" for call, end in wrong.items())
    async with stage.pool.connection() as connection:
        waiting = await connection.execute("SELECT event_type FROM gateway.notices WHERE applied_at IS NULL")
        assert await waiting.fetchall() == [], "nothing waits to be applied"
