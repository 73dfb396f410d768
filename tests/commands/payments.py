"""What tests of payments say again and again: a project, its products, an order, a context, and the parts in memory."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from commands.checkouts import open_checkout
from commands.open_requests import MemoryOpenRequests, OpenRequest, OpenRequests
from commands.payments import CancelPayment, StartPayment, cancel_payment, payment_id_of, start_payment
from commands.ports import Context, EventStore, Receipt
from commands.store.memory import MemoryStore
from domain.payment import PAYMENTS, Payment
from domain.project import Project
from gateways.stripe.client import StripeGateway
from tests.samples import EBOOK, PACK, PRO
from vault.memory import MemoryVault

SHOP = Project(
    project_id="prj_shop",
    name="Shop",
    domain="shop.example",
    default_currency="usd",
    payment_types=("both",),
    features=("credits",),
    overridden=(),
    products={product.product_id: product for product in (EBOOK, PACK, PRO)},
)


def order(**changes: Any) -> StartPayment:
    usual = StartPayment(
        project=SHOP,
        user_id="user-1",
        email="ada@example.com",
        product_id="pack",
        price_id=None,
        quantity=1,
        payment_type="auto",
        success_url="https://shop.example/thanks",
        cancel_url="https://shop.example/cart",
        metadata={"cart": "7"},
    )
    return replace(usual, **changes)


def context(**changes: Any) -> Context:
    command_id = changes.pop("command_id", None) or uuid.uuid4()
    usual = Context(
        command_id=command_id,
        fingerprint=sha256(b"the body").digest(),
        project_id="prj_shop",
        actor="key:key_1",
        request_id=f"req_{command_id.hex}",
        causation_id=str(command_id),
        now=datetime.now(UTC),
    )
    return replace(usual, **changes)


@dataclass(frozen=True)
class Desk:
    """Everything that a payment's handlers need, with the moves that tests make."""

    gateway: StripeGateway
    store: EventStore = field(default_factory=MemoryStore)
    vault: MemoryVault = field(default_factory=MemoryVault)
    open_requests: OpenRequests = field(default_factory=MemoryOpenRequests)

    async def start(self, asked: Context, command: StartPayment | None = None) -> Receipt:
        return await start_payment(command or order(), asked, self.store, self.gateway, self.vault, self.open_requests)

    async def open_again(self, kept: OpenRequest, asked: Context) -> Receipt:
        return await open_checkout(kept, asked, self.store, self.gateway, self.vault, self.open_requests)

    async def cancel(self, payment_id: str, asked: Context | None = None, project_id: str = "prj_shop") -> Receipt:
        command = CancelPayment(project_id=project_id, payment_id=payment_id, reason="changed their mind")
        return await cancel_payment(command, asked or context(), self.store, self.gateway, self.open_requests)

    async def payment(self, asked: Context) -> Payment:
        payment = await self.store.load(PAYMENTS.at(payment_id_of(asked.command_id)))
        assert payment is not None
        return payment

    def with_gateway(self, gateway: StripeGateway) -> "Desk":
        """The same, but another connection to the gateway."""
        return replace(self, gateway=gateway)

    @property
    def events(self) -> Sequence[object]:
        assert isinstance(self.store, MemoryStore)
        return self.store.events

    @property
    def told(self) -> list[str]:
        """The names of the events so far."""
        return [type(event).__name__ for event in self.events]
