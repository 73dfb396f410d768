"""Webhooks that are lost, and an API that is away for a while: after the reconciler's next run our state is Stripe's."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
import uvicorn
from psycopg import sql
from psycopg.rows import dict_row

from api.app import create_app
from api.state import Services
from commands.ports import EventStore
from consumers.reconciler import Reconciler
from domain.payment import PAYMENTS
from domain.streams import Kind
from domain.subscription import SUBSCRIPTIONS, subscription_id
from domain.wallet import WALLETS
from runtime.postgres import Pool
from sandbox.stripe.embedded import serving
from schemas.contracts import contracts
from schemas.registry import Registry
from tests.api.process import free_port
from tests.api.reading import catch_up
from tests.api.shop import PROJECT, Shop, register
from tests.api.subscribing import PLANS
from tests.sandbox.stripe.lookalike import LookAlike, settings

SEED = 20261126
CARD, DISPUTED, DECLINED = "4242424242424242", "4000000000000259", "4000000000000002"
IBAN = "AT611904300234573201"
STARTER = {
    "id": "starter",
    "name": "Starter",
    "type": "pro_features",
    "price_id": "price_trial_monthly",
    "credits": 100,
    "credit_type": "api",
}
CREDITS = {"credits-1000": 1000, "pro": 500, "starter": 100}
TRIAL = timedelta(days=14)
SHORTLY = timedelta(minutes=2)


@pytest.fixture(scope="module")
def api_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def stripe_address(tmp_path_factory: pytest.TempPathFactory, api_port: int) -> Iterator[str]:
    """A look-alike that sends its webhooks to our API, which may be there or not."""
    webhooks = f"http://127.0.0.1:{api_port}/webhooks/stripe"
    with serving(settings(tmp_path_factory.mktemp("stripe"), webhooks)) as address:
        yield address


@asynccontextmanager
async def serving_api(services: Services, port: int) -> AsyncIterator[None]:
    """The API on a socket, while inside."""
    app = create_app(services, Registry(contracts().values(), "test."), lambda _: None)
    config = uvicorn.Config(app, port=port, loop="none", lifespan="off", log_config=None, timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve())  # Without the signal handlers of `serve`, which are the test runner's.
    while not server.started:  # noqa: ASYNC110 - nothing tells us when
        await asyncio.sleep(0.005)
    yield
    server.should_exit = True
    await task


@dataclass
class Town:
    """Customers of one project, each with a life of their own at Stripe."""

    shop: Shop
    lookalike: LookAlike
    sold: dict[str, str] = field(default_factory=dict)  # user → the payment that they began with
    sessions: dict[str, str] = field(default_factory=dict)

    async def begin(self, user_id: str, product_id: str) -> None:
        answer = (await self.shop.pay({"user_id": user_id, "product_id": product_id})).json()
        self.sold[user_id], self.sessions[user_id] = answer["payment_id"], answer["checkout_session_id"]

    async def control(self, user_id: str, deed: str, **told: Any) -> dict[str, Any]:
        return await self.lookalike.control(f"checkout/{self.sessions[user_id]}/{deed}", **told)

    async def buy(self, user_id: str, card_number: str = CARD, product_id: str = "credits-1000") -> str:
        """The payment intent of what they paid for, or the subscription that it began."""
        await self.begin(user_id, product_id)
        await self.control(user_id, "pay", card_number=card_number)
        session = await self.session(user_id)
        return str(session["payment_intent"] or session["subscription"])

    async def session(self, user_id: str) -> dict[str, Any]:
        return (await self.lookalike.session(self.sessions[user_id])).to_dict(for_json=True)

    async def refund(self, payment_intent: str, amount: int) -> str:
        made = await self.lookalike.client.v1.refunds.create_async({"payment_intent": payment_intent, "amount": amount})
        return made.id

    async def dispute(self, payment_intent: str) -> str:
        charges = await self.lookalike.client.v1.charges.list_async({"payment_intent": payment_intent})
        return str((await self.lookalike.control(f"charges/{charges.data[0].id}/dispute"))["id"])

    # Lives, each from its beginning.

    async def pays(self, user: str) -> None:
        await self.buy(user)

    async def is_declined_and_leaves(self, user: str) -> None:
        await self.begin(user, "credits-1000")
        await self.lookalike.http.post(f"/sandbox/checkout/{self.sessions[user]}/pay", json={"card_number": DECLINED})
        await self.control(user, "expire")

    async def has_a_debit_that_arrives(self, user: str) -> None:
        await self.begin(user, "credits-1000")
        await self.control(user, "pay", iban=IBAN)
        await self.control(user, "settle", outcome="succeed")

    async def has_a_debit_that_fails(self, user: str) -> None:
        await self.begin(user, "credits-1000")
        await self.control(user, "pay", iban=IBAN)
        await self.control(user, "settle", outcome="fail")

    async def has_a_debit_under_way(self, user: str) -> None:
        await self.begin(user, "credits-1000")
        await self.control(user, "pay", iban=IBAN)

    async def gets_a_part_back(self, user: str) -> None:
        intent = await self.buy(user)
        await self.refund(intent, 4_00)
        await self.refund(intent, 1_00)

    async def gets_all_back(self, user: str) -> None:
        await self.refund(await self.buy(user), 10_00)

    async def gets_nothing_back_after_all(self, user: str) -> None:
        refund = await self.refund(await self.buy(user), 4_00)
        await self.lookalike.control(f"refunds/{refund}/settle", outcome="fail")

    async def disputes(self, user: str) -> None:
        await self.dispute(await self.buy(user))

    async def disputes_and_wins(self, user: str) -> None:
        dispute = await self.dispute(await self.buy(user))
        await self.lookalike.control(f"disputes/{dispute}/settle", outcome="lose")

    async def disputes_and_loses(self, user: str) -> None:
        dispute = await self.dispute(await self.buy(user))
        await self.lookalike.control(f"disputes/{dispute}/settle", outcome="win")

    async def subscribes(self, user: str) -> None:
        await self.buy(user, product_id="pro")

    async def subscribes_and_will_leave(self, user: str) -> None:
        subscription = await self.buy(user, product_id="pro")
        await self.lookalike.client.v1.subscriptions.update_async(subscription, {"cancel_at_period_end": True})

    async def subscribes_and_leaves(self, user: str) -> None:
        await self.lookalike.client.v1.subscriptions.cancel_async(await self.buy(user, product_id="pro"))

    async def subscribes_for_more(self, user: str) -> None:
        subscription = await self.buy(user, product_id="pro")
        (item,) = (await self.lookalike.subscription(subscription)).to_dict(for_json=True)["items"]["data"]
        await self.lookalike.client.v1.subscriptions.update_async(
            subscription, {"items": [{"id": item["id"], "quantity": 3}], "proration_behavior": "none"}
        )

    async def tries_and_stays(self, user: str) -> None:
        await self.buy(user, product_id="starter")

    async def tries_and_cannot_pay(self, user: str) -> None:
        subscription = await self.buy(user, product_id="starter")
        customer = str((await self.lookalike.subscription(subscription)).customer)
        await self.lookalike.use_card(customer, subscription, "pm_card_chargeCustomerFail")


LIVES = (
    Town.pays,
    Town.is_declined_and_leaves,
    Town.has_a_debit_that_arrives,
    Town.has_a_debit_that_fails,
    Town.has_a_debit_under_way,
    Town.gets_a_part_back,
    Town.gets_all_back,
    Town.gets_nothing_back_after_all,
    Town.disputes,
    Town.disputes_and_wins,
    Town.disputes_and_loses,
    Town.subscribes,
    Town.subscribes_and_will_leave,
    Town.subscribes_and_leaves,
    Town.subscribes_for_more,
    Town.tries_and_stays,
    Town.tries_and_cannot_pay,
)

State = Mapping[str, Any]


# How everybody stands at Stripe, said in our words by nothing but Stripe's own objects.


async def at_stripe(town: Town) -> State:
    """By the name of each thing: payments and what they bought by user, refunds, disputes, invoices and subscriptions by id."""
    client = town.lookalike.client.v1
    found: dict[str, Any] = {}
    for user in town.sold:
        session = await town.session(user)
        intent = session["payment_intent"]
        charge = (await client.charges.list_async({"payment_intent": intent})).data if intent else []
        status = await _status_of(session, intent, client)
        found[f"payment of {user}"] = (status, session["amount_total"])
        owned = CREDITS["credits-1000"] if status == "succeeded" and session["mode"] == "payment" else 0
        refunds = (await client.refunds.list_async({"payment_intent": intent})).data if intent else []
        for refund in refunds:
            found[f"refund {refund.id}"] = (refund.status, refund.amount)
            owned -= refund.amount if refund.status == "succeeded" else 0  # A credit costs a cent.
        found[f"returns of {user}"] = sum(refund.amount for refund in refunds if refund.status == "succeeded")
        frozen = False
        for dispute in (await client.disputes.list_async({"charge": charge[0].id})).data if charge else []:
            found[f"dispute {dispute.id}"] = (dispute.status, dispute.amount)
            frozen = frozen or dispute.status == "needs_response"
            owned -= dispute.amount if dispute.status == "lost" else 0
        if session["subscription"]:
            owned += await _subscribed(session["subscription"], client, found)
        found[f"credits of {user}"] = (owned, frozen)
    return found


async def _status_of(session: Mapping[str, Any], intent: str | None, client: Any) -> str:
    if session["status"] == "expired":
        return "expired"
    if session["payment_status"] in ("paid", "no_payment_required"):
        return "succeeded"
    held = (await client.payment_intents.retrieve_async(intent)).status
    return {"processing": "processing", "requires_payment_method": "failed"}[held]


async def _subscribed(id: str, client: Any, found: dict[str, Any]) -> int:
    """How it stands, and how many credits it has brought."""
    subscription = (await client.subscriptions.retrieve_async(id)).to_dict(for_json=True)
    (item,) = subscription["items"]["data"]
    found[f"subscription {id}"] = (
        "expired" if subscription["status"] == "canceled" else subscription["status"],
        item["price"]["id"],
        item["quantity"],
        item["current_period_end"],
        subscription["cancel_at"],
        subscription["ended_at"],
    )
    invoices = (await client.invoices.list_async({"subscription": id})).data
    paid: list[Any] = [invoice for invoice in invoices if invoice.status == "paid" and invoice.amount_paid > 0]
    found[f"renewals of {id}"] = [
        ("succeeded", invoice.amount_paid) for invoice in paid if invoice.billing_reason == "subscription_cycle"
    ]
    free: int = sum(invoice.status == "paid" and invoice.amount_paid == 0 for invoice in invoices)
    product = "pro" if item["price"]["id"] == "price_pro_monthly" else "starter"
    return CREDITS[product] * (len(paid) + free)


# And in our read models and our store.


async def shown(town: Town, database_url: str, store: EventStore) -> State:
    """The same names for what the read models show. Each stream is compared with the store's on the way."""
    with psycopg.connect(database_url, row_factory=dict_row) as connection:
        live = {
            row["read_model"]: f"{row['read_model']}_{row['generation']}"
            for row in connection.execute("SELECT * FROM read.generations WHERE state = 'live'")
        }

        def rows(model: str, table: str) -> list[dict[str, Any]]:
            query = sql.SQL("SELECT * FROM {}").format(sql.Identifier(live[model], table))
            return connection.execute(query).fetchall()

        payments, refunds = rows("payments", "payments"), rows("payments", "refunds")
        disputes, wallets = rows("payments", "disputes"), rows("credits", "wallets")
        subscriptions = rows("subscriptions", "subscriptions")
    users = {payment_id: user for user, payment_id in town.sold.items()}
    found: dict[str, Any] = {f"credits of {user}": (0, False) for user in town.sold}
    for payment in payments:
        told = (payment["status"], payment["amount_minor"])
        if user := users.get(payment["payment_id"]):
            found[f"payment of {user}"] = told
            found[f"returns of {user}"] = payment["refunded_minor"]
        else:
            found.setdefault(f"renewals of {payment['gateway_subscription_id']}", []).append(told)
        await _is_stored(PAYMENTS, payment["payment_id"], store, status=payment["status"])
    for refund in refunds:
        found[f"refund {refund['gateway_refund_id']}"] = (refund["status"], refund["amount_minor"])
    for dispute in disputes:
        found[f"dispute {dispute['dispute_id']}"] = (dispute["status"], dispute["amount_minor"])
    for wallet in wallets:
        found[f"credits of {wallet['user_id']}"] = (wallet["balance"], bool(wallet["frozen"]))
        await _is_stored(WALLETS, wallet["wallet_id"], store, balance=wallet["balance"])
    for row in subscriptions:
        found[f"subscription {row['gateway_subscription_id']}"] = (
            row["status"],
            row["price_id"],
            row["quantity"],
            _second(row["current_period_end"]),
            _second(row["cancel_at"]),
            _second(row["ended_at"]),
        )
        found.setdefault(f"renewals of {row['gateway_subscription_id']}", [])
        assert row["subscription_id"] == subscription_id("stripe", row["gateway_subscription_id"])
        await _is_stored(SUBSCRIPTIONS, row["subscription_id"], store, quantity=row["quantity"], status=row["status"])
    return found


async def _is_stored(kind: Kind[Any, Any], id: str, store: EventStore, **columns: Any) -> None:
    state: Any = await store.load(kind.at(id))
    stored = {name: getattr(state if hasattr(state, name) else state.standing, name) for name in columns}
    assert stored == columns


def _second(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())


def differing(ours: State, theirs: State) -> dict[str, tuple[Any, Any]]:
    names = sorted({*ours, *theirs})
    return {name: (ours.get(name), theirs.get(name)) for name in names if ours.get(name) != theirs.get(name)}


@pytest.fixture
def pool(real_services: Services) -> Pool:
    return real_services["reads"]


async def settled(lookalike: LookAlike) -> None:
    """Everything that was to be delivered was, or was given up."""
    assert (await lookalike.control("deliveries/settle", within_seconds=20))["settled"]


async def test_after_losses_and_an_outage_everything_stands_as_at_stripe(
    real_services: Services,
    real_shop: Shop,
    reconciler: Reconciler,
    lookalike: LookAlike,
    database_url: str,
    api_port: int,
) -> None:
    shop = await register(real_shop.client, products=[*PROJECT["products"], *PLANS, STARTER])
    town = Town(shop, lookalike)
    await lookalike.control("deliveries/losses", fraction=0.3, seed=SEED)
    lives = [(life, life.__name__) for life in LIVES]
    random.Random(SEED).shuffle(lives)
    third = len(lives) // 3
    async with serving_api(real_services, api_port):
        for life, user in lives[:third]:
            await life(town, user)
        await settled(lookalike)
    for life, user in lives[third : 2 * third]:  # Meanwhile the API takes payments elsewhere, and hears of nothing.
        await life(town, user)
    await settled(lookalike)
    async with serving_api(real_services, api_port):
        for life, user in lives[2 * third :]:
            await life(town, user)
        await lookalike.advance(days=TRIAL.days, seconds=2 * 3600)
        await settled(lookalike)
    theirs = await at_stripe(town)
    catch_up(database_url)
    before = differing(await shown(town, database_url, real_services["store"]), theirs)
    assert len(before) > len(lives) / 2, "without losses this test would show nothing"

    now = datetime.now(UTC) + TRIAL + timedelta(hours=2) + SHORTLY
    repaired = await reconciler.fetch_missed(now)
    await reconciler.reconcile(now + SHORTLY)

    catch_up(database_url)
    assert differing(await shown(town, database_url, real_services["store"]), theirs) == {}
    assert repaired["missed_applied"] > len(before)
    assert await reconciler.fetch_missed(now + SHORTLY) == {}, "what was repaired is known"
