"""What the service asks of a gateway, whichever it is."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.product import Price
from domain.subscription import Stated
from domain.subscription.changes import Wanted
from gateways.notices import Delivery, DisputeUpdated, Notice, RefundUpdated


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutOrder:
    """A page on which one payment is to be paid. `email` is personal: it goes to the gateway and to the vault, nowhere else."""

    payment_id: str
    project_id: str
    price_id: str
    quantity: int
    recurring: bool
    email: str | None
    success_url: str
    cancel_url: str | None
    expires_at: datetime
    metered: bool = False  # usage decides how much is bought: no quantity is sent
    trial_days: int = 0  # of a recurring price, before the first charge


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """The page that the gateway holds open. `url` lets anybody pay: it goes to the caller only."""

    checkout_id: str
    url: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundOrder:
    """Money of one payment that is to go back. `refund_id` goes along, so that the gateway's refund is known as this one."""

    refund_id: str
    payment_id: str
    project_id: str
    gateway_payment_id: str
    amount_minor: int
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageReport:
    """So much that was used of what a subscription is billed for. `identifier` is ours: the gateway counts it once."""

    identifier: str
    gateway_subscription_id: str
    price_id: str
    quantity: int
    used_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedPrice:
    """A price at the gateway, and what the product behind it is called there."""

    price: Price
    product_name: str
    active: bool


class Gateway(Protocol):
    """Raises `GatewayUnavailable` where its answer is unknown or it could not be asked, `GatewayRefused` where it said no."""

    name: str

    async def greet(self) -> None:
        """Ask it something that costs nothing, to see that it can be reached and lets us in."""
        ...

    def checkout_request(self, order: CheckoutOrder) -> bytes:
        """The exact request that would open this checkout, API version included. Kept sealed; a retry sends it unchanged."""
        ...

    async def open_checkout(self, request: bytes, key: str) -> Checkout:
        """Open the page. The same key and request give the same page for 24 hours (raises `GatewayKeyMismatch` otherwise)."""
        ...

    async def expire_checkout(self, checkout_id: str, key: str) -> None:
        """Close the page unpaid. Raises `CheckoutNotOpen` where it is complete or closed already."""
        ...

    def refund_request(self, order: RefundOrder) -> bytes:
        """The exact request that would make this refund, API version included. Kept sealed; a retry sends it unchanged."""
        ...

    async def refund(self, request: bytes, key: str) -> RefundUpdated:
        """Give money back. The same key and request make one refund for 24 hours (raises `GatewayKeyMismatch` otherwise).

        Raises `RefundNotPossible` where the money is gone already, or disputed.
        """
        ...

    async def list_refunds(self, gateway_payment_id: str) -> Sequence[RefundUpdated]:
        """Every refund of a payment, as each stands now, oldest first: ours, and those made in the gateway's dashboard."""
        ...

    async def read_dispute(self, dispute_id: str) -> DisputeUpdated:
        """How a dispute stands now."""
        ...

    async def payment_of_charge(self, charge_id: str) -> str | None:
        """The gateway's id of the payment that a charge was made for; None where there is no such charge."""
        ...

    async def end_subscription(self, gateway_subscription_id: str, key: str) -> None:
        """End a subscription at once, without a last invoice. One that has ended already stays so."""
        ...

    async def read_price(self, price_id: str) -> ListedPrice:
        """A price as the gateway states it. Raises `PriceUnknown`."""
        ...

    async def ask(self, checkout_id: str) -> Sequence[Notice]:
        """What the gateway knows now of a payment whose checkout is known, as the notices that it would send."""
        ...

    async def find_checkouts(self, payment_id: str, around: datetime) -> Sequence[Checkout]:
        """Pages opened for this payment around that time, found by paging: for payments whose answer never came."""
        ...

    async def subscription_request(self, gateway_subscription_id: str, wanted: Wanted) -> bytes:
        """The exact request that would change a subscription as it stands now. Kept sealed; a retry sends it unchanged.

        Raises `SubscriptionUnknownThere`.
        """
        ...

    async def change_subscription(self, request: bytes, key: str) -> Stated:
        """Change a subscription, and say how it stands then. The same key and request do it once for 24 hours.

        Raises `SubscriptionUnknownThere`, and `PaymentDeclined` where it was to be paid at once, and was not: then nothing
        has changed.
        """
        ...

    async def read_subscription(self, gateway_subscription_id: str) -> Stated:
        """How a subscription stands now. Raises `SubscriptionUnknownThere`."""
        ...

    async def read_invoice(self, invoice_id: str) -> Notice:
        """What there is to say of an invoice now, with the payment that was made for it."""
        ...

    async def invoice_page(self, invoice_id: str) -> str | None:
        """Where its customer can look at an invoice and pay it; anybody who knows the address can. None while it has none."""
        ...

    async def invoice_paid_with(self, gateway_payment_id: str) -> Notice | None:
        """What there is to say of the invoice that a payment was made for; None where it was made for none."""
        ...

    async def ask_about_invoices(self, gateway_subscription_id: str) -> Sequence[Notice]:
        """What the gateway knows now of a subscription's newest invoices, as the notices that it would send."""
        ...

    async def find_checkout(self, gateway_subscription_id: str) -> str | None:
        """The checkout in which a subscription began."""
        ...

    async def report_usage(self, report: UsageReport) -> None:
        """Have use counted. The same identifier is counted once within 24 hours, and asking again is no error.

        One at a time for each subscription. Raises `GatewayRefused` where it will not be counted: the price has no meter, the
        subscription is unknown there, the time lies too far back.
        """
        ...

    def missed(self, since: datetime) -> AsyncIterator[Delivery]:
        """Deliveries that the gateway made since then, whether they arrived or not, oldest first."""
        ...

    def read_webhook(self, body: bytes, signature: str) -> Delivery:
        """A webhook whose signature holds. Raises `SignatureInvalid` or `WebhookUnreadable`; never asks the gateway."""
        ...

    def reread(self, body: bytes) -> Delivery:
        """A webhook that was verified when it came, read again from where it was kept."""
        ...
