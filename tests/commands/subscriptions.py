"""A subscription at the look-alike, and what a service makes of the events that tell of it, heard in any order."""

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import stripe

from commands.interpretation import interpret
from commands.notices import command_id_of
from commands.open_requests import MemoryOpenRequests
from commands.payments import payment_id_of
from commands.ports import Context, Decided
from commands.store.memory import MemoryStore
from domain.payment import PAYMENTS, Payment
from domain.product import Price, Product, ProductType
from domain.project import PROJECTS
from domain.project.registration import register
from domain.subscription import SUBSCRIPTIONS, Subscription, subscription_id
from domain.wallet import WALLETS, wallet_id
from gateways.notices import Delivery, Notice
from gateways.stripe.client import StripeGateway
from tests.commands.payments import SHOP, Desk, context, order
from tests.samples import PRO
from tests.sandbox.stripe.lookalike import LookAlike
from vault.memory import MemoryVault

CARD = "4242424242424242"
ALWAYS_3DS = "4000002760003184"
SAVED_BUT_DECLINED = "pm_card_chargeCustomerFail"

MONTHLY = replace(PRO, credits=500, credit_type="api")
TEAM = replace(
    MONTHLY,
    product_id="team",
    name="Team",
    price=Price(price_id="price_team_monthly", amount_minor=50_00, currency="usd", interval="month"),
    credits=2000,
)
STARTER = replace(
    MONTHLY,
    product_id="starter",
    name="Starter",
    price=Price(price_id="price_trial_monthly", amount_minor=15_00, currency="usd", interval="month", trial_days=14),
    credits=100,
)
PLAIN = replace(MONTHLY, product_id="plain", name="Plain", credits=0, credit_type="")
CALLS = replace(
    PRO,
    product_id="calls",
    name="API calls",
    type=ProductType.METERED,
    price=Price(price_id="price_calls_metered", amount_minor=0, currency="usd", interval="month"),
)
PLANS = (MONTHLY, TEAM, STARTER, PLAIN, CALLS)
SUBSCRIBING_SHOP = replace(SHOP, products={plan.product_id: plan for plan in PLANS})


@dataclass(frozen=True)
class Service:
    """One that may hear of a subscription: its memory, and its gateway to ask."""

    gateway: StripeGateway
    store: MemoryStore = field(default_factory=MemoryStore)
    open_requests: MemoryOpenRequests = field(default_factory=MemoryOpenRequests)

    async def tell(self, notice: Notice, asked: Context | None = None) -> None:
        await interpret(notice, asked or context(), self.store, self.gateway, self.open_requests)

    async def hear(self, *deliveries: Delivery) -> None:
        """As webhooks: each under the id of its event, so that a second one changes nothing."""
        for delivery in deliveries:
            command_id = command_id_of(self.gateway.name, delivery)
            fingerprint = sha256(delivery.event_id.encode()).digest()
            asked = context(command_id=command_id, fingerprint=fingerprint, actor="gateway:stripe", project_id="")
            await self.tell(delivery.notice, asked)

    def twin(self) -> "Service":
        """Another one that knows the same so far."""
        return replace(self, store=copy.deepcopy(self.store), open_requests=copy.deepcopy(self.open_requests))

    @property
    def told(self) -> list[str]:
        """The types of the facts so far, the project's own left out."""
        return [row.type for row in self.store.rows if not row.type.startswith("project.")]


@dataclass(frozen=True)
class Subscribed:
    """A customer's subscription at the look-alike, whose checkout our service has opened."""

    service: Service
    lookalike: LookAlike
    payment_id: str
    gateway_subscription_id: str
    since: datetime

    async def deliveries(self, *types: str) -> list[Delivery]:
        """The events about it so far, oldest first; of these types, where any are named."""
        missed = self.service.gateway.missed(self.since)
        about = [delivery async for delivery in missed if delivery.payment_id == self.payment_id]
        return [delivery for delivery in about if not types or delivery.event_type in types]

    async def catch_up(self, service: Service | None = None) -> None:
        """Hear all of them, in order."""
        await (service or self.service).hear(*await self.deliveries())

    async def subscription(self, service: Service | None = None) -> Subscription:
        found = await (service or self.service).store.load(
            SUBSCRIPTIONS.at(subscription_id("stripe", self.gateway_subscription_id))
        )
        assert found is not None
        return found

    async def checkout(self, service: Service | None = None) -> Payment:
        found = await (service or self.service).store.load(PAYMENTS.at(self.payment_id))
        assert found is not None
        return found

    async def credits(self, service: Service | None = None) -> int:
        wallet = await (service or self.service).store.load(WALLETS.at(wallet_id("prj_shop", "user-1", "api")))
        return wallet.balance if wallet else 0

    async def next_period(self) -> None:
        """Let the look-alike renew it, and the renewal's hour as a draft pass."""
        at_stripe = await self.lookalike.subscription(self.gateway_subscription_id)
        ends = at_stripe["items"].data[0].current_period_end
        await self.lookalike.control("clock/advance", to=ends + 3600 * 2)


async def register_shop(store: MemoryStore, plans: Iterable[Product] = PLANS) -> None:
    stream = PROJECTS.at("prj_shop")
    facts = register(
        None,
        project_id="prj_shop",
        name="Shop",
        domain="shop.example",
        default_currency="usd",
        products=list(plans),
        payment_types=None,
        features=None,
    )
    await store.record(context(), [stream], lambda _: Decided([stream.facts(*facts)], {}))


async def open_page(
    gateway: StripeGateway, lookalike: LookAlike, product_id: str = "pro"
) -> tuple[Subscribed, stripe.checkout.Session]:
    """A customer is about to subscribe: our service has opened the checkout, and nobody has paid."""
    service = Service(gateway)
    await register_shop(service.store)
    now = await clock(lookalike)
    desk = Desk(gateway, service.store, MemoryVault(), service.open_requests)
    asked = context(now=now)
    opened = await desk.start(asked, order(project=SUBSCRIBING_SHOP, product_id=product_id))
    since, payment_id = now - timedelta(seconds=1), payment_id_of(asked.command_id)
    subscribed = Subscribed(service, lookalike, payment_id, "", since)
    return subscribed, await lookalike.session(opened.answer["checkout_session_id"])


async def subscribe(
    gateway: StripeGateway,
    lookalike: LookAlike,
    product_id: str = "pro",
    card_number: str = CARD,
    *,
    iban: str | None = None,
) -> Subscribed:
    """A customer subscribes: our service opens the checkout, the customer pays, and no webhook was heard yet."""
    subscribed, session = await open_page(gateway, lookalike, product_id)
    outcome = await lookalike.pay(session, **{"iban": iban} if iban else {"card_number": card_number})
    if outcome["status"] == "requires_action":
        await lookalike.control(f"checkout/{session.id}/authenticate", outcome="approve")
    return await begun(subscribed, session)


async def begun(subscribed: Subscribed, session: stripe.checkout.Session) -> Subscribed:
    """The same, once the page was completed: with the subscription that began."""
    completed = (await subscribed.lookalike.session(session.id)).to_dict()
    return replace(subscribed, gateway_subscription_id=completed["subscription"])


async def clock(lookalike: LookAlike) -> datetime:
    """What time it is there."""
    return datetime.fromtimestamp((await lookalike.http.get("/sandbox/clock")).json()["now"], UTC)


def types(deliveries: Sequence[Delivery]) -> list[str]:
    return [delivery.event_type for delivery in deliveries]
