"""A payment that was really made at the look-alike, and what tests do with its money and its credits afterwards."""

import json
import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from commands.interpretation import interpret
from commands.notices import Notices, keep
from commands.ports import Context, Decided, Receipt, States
from commands.refunds import RefundPayment, refund_payment
from domain.payment import PAYMENTS, Payment
from domain.project import PROJECTS
from domain.project.registration import register
from domain.wallet import WALLETS, Clawback, Wallet, consume, wallet_id
from gateways.notices import Delivery
from gateways.port import Gateway
from tests.commands.payments import SHOP, Desk, context, order
from tests.sandbox.stripe.lookalike import API_KEY, LookAlike

CARD = "4242424242424242"
PENDING_FIRST = "4000000000007726"
FAILS_LATER = "4000000000005126"


async def deliveries(gateway: Gateway, about: str) -> list[Delivery]:
    """What Stripe has sent that names this, oldest first."""
    since = datetime.now(UTC) - timedelta(hours=1)
    return [found async for found in gateway.missed(since) if about in found.body.decode()]


@dataclass(frozen=True)
class Till:
    """A shop whose project is recorded, at a desk, with the look-alike's other side at hand."""

    desk: Desk
    lookalike: LookAlike
    user_id: str = field(default_factory=lambda: f"user-{uuid.uuid4().hex}")

    async def open(self, clawback: Clawback = Clawback.REMAINING_ONLY) -> "Till":
        stream = PROJECTS.at(SHOP.project_id)

        def decide(states: States) -> Decided:
            facts = register(
                states[stream],
                project_id=SHOP.project_id,
                name=SHOP.name,
                domain=SHOP.domain,
                default_currency=SHOP.default_currency,
                products=list(SHOP.products.values()),
                payment_types=None,
                features=None,
                clawback=clawback,
            )
            return Decided([stream.facts(*facts)], {})

        await self.desk.store.record(context(), [stream], decide)
        return self

    async def sell(
        self, card_number: str = CARD, *, iban: str | None = None, heard: bool = True, **changes: Any
    ) -> Payment:
        """A payment that its customer has paid; unless `heard`, without our knowing it yet."""
        asked = context()
        opened = await self.desk.start(asked, order(user_id=self.user_id, **changes))
        checkout_id = opened.answer["checkout_session_id"]
        means = {"iban": iban} if iban else {"card_number": card_number}
        await self.lookalike.pay(await self.lookalike.session(checkout_id), **means)
        if heard:
            await self.hear_of_payment(checkout_id)
        return await self.desk.payment(asked)

    async def hear_of_payment(self, checkout_id: str) -> None:
        desk = self.desk
        for notice in await desk.gateway.ask(checkout_id):
            await interpret(notice, context(), desk.store, desk.gateway, desk.open_requests)

    async def refund(self, payment: Payment, asked: Context | None = None, **changes: Any) -> Receipt:
        usual: dict[str, Any] = {"amount_minor": None, "reason": None, "metadata": {}}
        command = RefundPayment(
            project_id=changes.pop("project_id", SHOP.project_id),
            payment_id=payment.payment_id,
            **{**usual, **changes},
        )
        desk = self.desk
        return await refund_payment(
            command, asked or context(), desk.store, desk.gateway, desk.vault, desk.open_requests
        )

    async def refund_in_dashboard(self, payment: Payment, amount_minor: int) -> str:
        """Somebody gives money back at Stripe, without telling us. The id of the refund there."""
        made = await self.lookalike.client.v1.refunds.create_async(
            {"payment_intent": str(payment.gateway_payment_id), "amount": amount_minor}
        )
        return made.id

    async def as_paid(self, payment: Payment) -> Payment:
        """The payment as the gateway knows it, though we have not heard of its being paid."""
        sent = await self.all_sent(payment.payment_id)
        completed = next(delivery for delivery in sent if delivery.event_type == "checkout.session.completed")
        return replace(payment, gateway_payment_id=completed.gateway_payment_id)

    async def dispute(self, payment: Payment, **told: Any) -> str:
        """The customer complains at their bank. The id of the dispute at Stripe."""
        intent = str(payment.gateway_payment_id)
        (charge,) = (await self.lookalike.client.v1.charges.list_async({"payment_intent": intent})).data
        return str((await self.lookalike.control(f"charges/{charge.id}/dispute", **told))["id"])

    async def answer(self, dispute_id: str, evidence: str) -> None:
        """Somebody hands evidence in, in Stripe's dashboard."""
        await self.lookalike.client.v1.disputes.update_async(dispute_id, {"evidence": {"uncategorized_text": evidence}})

    async def settle(self, gateway_refund_id: str, outcome: str) -> None:
        await self.lookalike.control(f"refunds/{gateway_refund_id}/settle", outcome=outcome)

    async def deliveries(self, about: str) -> list[Delivery]:
        return await deliveries(self.desk.gateway, about)

    async def all_sent(self, *about: str) -> list[Delivery]:
        """Everything that Stripe has sent that names one of these, whether we act on its type or not, oldest first."""
        answer = await self.lookalike.http.get("/v1/events", params={"limit": 100}, auth=(API_KEY, ""))
        bodies = [json.dumps(event) for event in reversed(answer.json()["data"])]
        return [self.desk.gateway.reread(body.encode()) for body in bodies if any(name in body for name in about)]

    async def hear(self, about: str, *types: str) -> None:
        """Apply what Stripe has sent that names this: all of it, or some types."""
        for delivery in await self.deliveries(about):
            if not types or delivery.event_type in types:
                await self.apply(delivery)

    async def keep(self, notices: Notices, about: str, event_type: str) -> None:
        """Take a webhook in without applying it."""
        for delivery in await self.deliveries(about):
            if delivery.event_type == event_type:
                await keep(delivery, "stripe", datetime.now(UTC), self.desk.store, self.desk.vault, notices)

    async def apply(self, delivery: Delivery) -> None:
        desk = self.desk
        await interpret(delivery.notice, context(actor="gateway:stripe"), desk.store, desk.gateway, desk.open_requests)

    async def now(self, payment: Payment) -> Payment:
        found = await self.desk.store.load(PAYMENTS.at(payment.payment_id))
        assert found is not None
        return found

    async def wallet(self) -> Wallet:
        found = await self.desk.store.load(WALLETS.at(wallet_id(SHOP.project_id, self.user_id, "api")))
        assert found is not None
        return found

    async def spend(self, amount: int) -> None:
        stream = WALLETS.at(wallet_id(SHOP.project_id, self.user_id, "api"))
        asked = context()

        def decide(states: States) -> Decided:
            entry_id = f"ent_{asked.command_id}"
            spent = consume(
                states[stream], credit_type="api", amount=amount, entry_id=entry_id, reference=None, now=asked.now
            )
            return Decided([stream.facts(*spent)], {})

        await self.desk.store.record(asked, [stream], decide)
