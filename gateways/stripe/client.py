"""Stripe as our gateway: the official SDK's asynchronous client, its answers and errors in our words."""

import asyncio
import copy
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Self, TypeVar

import httpx
import stripe
import structlog
from stripe.params import EventListParams, RefundListParams
from stripe.params.checkout import SessionListParamsCreated

from domain.subscription import Stated
from domain.subscription.changes import Wanted
from gateways.calls import Calls, Precedence, Unlimited
from gateways.errors import (
    CheckoutNotOpen,
    GatewayKeyMismatch,
    GatewayRefused,
    GatewayUnavailable,
    PriceUnknown,
    RefundNotPossible,
    SubscriptionUnknownThere,
    WebhookUnreadable,
)
from gateways.notices import Delivery, DisputeUpdated, InvoiceFailed, Notice, RefundUpdated
from gateways.port import Checkout, CheckoutOrder, ListedPrice, RefundOrder, UsageReport
from gateways.stripe import checkout_requests, meter_events, refund_requests, requests, signatures, webhooks
from gateways.stripe.meter_events import Meter, Remembered, customer_of, is_known_already
from gateways.stripe.paced import PacedClient, precedence
from gateways.stripe.refusals import in_our_words, is_missing
from gateways.stripe.requests import API_VERSION
from gateways.stripe.subscription_requests import ChangeCall
from gateways.stripe.translation import checkout_sessions, disputes, invoices, prices, refunds, subscriptions
from gateways.stripe.translation.fields import Plain, ShapeUnknown, optional_text, payment_id, reference, text

log = structlog.get_logger()

CONNECT_TIMEOUT_SECONDS = 3.0
TIMEOUT_SECONDS = 20.0  # For a call with all its retries.
# The SDK retries broken connections, 409 and 5xx. That is safe: whatever is posted goes under our own idempotency key.
RETRIES = 2
PAGE = 100  # the most that Stripe lists at once
NEWEST_INVOICES = 20  # More than became due since anybody last asked.

CLOCK_SKEW = timedelta(hours=1)
# Stripe forgets idempotency keys after 24 hours, so no request under the first attempt's key opened a page later than that.
KEY_LIVES = timedelta(hours=24)

T = TypeVar("T")
Result = TypeVar("Result")


class StripeGateway:
    """`gateways.port.Gateway` over Stripe, or over what speaks like it at `api_base`.

    Several webhook secrets are in force at once while one is rolled. `calls` says when it is whose turn to call; without it,
    any number may be made. `metering` does so for reports of usage, where Stripe counts them apart.
    """

    name = "stripe"

    def __init__(
        self,
        secret_key: str,
        webhook_secrets: Sequence[str],
        api_base: str | None = None,
        *,
        calls: Calls | None = None,
        metering: Calls | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        stripe.enable_telemetry = False  # It would write an id into the user's home, and send it with every call.
        self._webhook_secrets = tuple(webhook_secrets)
        self._timeout_seconds = timeout_seconds
        self._precedence = Precedence.INTERACTIVE
        self._meters, self._customers = Remembered[Meter](), Remembered[str]()
        timeout = httpx.Timeout(timeout_seconds, connect=CONNECT_TIMEOUT_SECONDS)
        calls = calls or Unlimited()
        self._http = PacedClient(calls, metering or calls, timeout)
        self._client = stripe.StripeClient(
            secret_key,
            stripe_version=API_VERSION,
            base_addresses={"api": api_base.rstrip("/")} if api_base else None,
            max_network_retries=RETRIES,
            http_client=self._http,
        )

    def in_background(self) -> Self:
        """The same gateway with the same connections, for calls whose answer nobody waits for: others go before them."""
        quiet = copy.copy(self)
        quiet._precedence = Precedence.BACKGROUND
        return quiet

    async def close(self) -> None:
        """Close its connections."""
        await self._http.close_async()  # type: ignore[no-untyped-call]  # the SDK's one untyped method here

    async def greet(self) -> None:
        await self._ask(self._client.v1.prices.list_async({"limit": 1}))

    # Checkouts.

    def checkout_request(self, order: CheckoutOrder) -> bytes:
        return requests.written(checkout_requests.params(order))

    async def open_checkout(self, request: bytes, key: str) -> Checkout:
        api_version, params = requests.read(request)
        with _price_named(params["line_items"][0]["price"]):
            session = await self._ask(
                self._client.v1.checkout.sessions.create_async(
                    params, {"idempotency_key": key, "stripe_version": api_version}
                )
            )
        return _read(checkout_sessions.opened, session)

    async def expire_checkout(self, checkout_id: str, key: str) -> None:
        try:
            await self._ask(self._client.v1.checkout.sessions.expire_async(checkout_id, None, {"idempotency_key": key}))
        except GatewayKeyMismatch:
            raise
        except GatewayRefused:
            await self._refuse_unless_open(checkout_id)
            raise

    async def end_subscription(self, gateway_subscription_id: str, key: str) -> None:
        options: stripe.RequestOptions = {"idempotency_key": key}
        try:
            await self._ask(self._client.v1.subscriptions.cancel_async(gateway_subscription_id, None, options))
        except GatewayKeyMismatch:
            raise
        except GatewayRefused as refusal:
            if not is_missing(refusal):  # Stripe knows none of this id that has not ended.
                raise

    async def _refuse_unless_open(self, checkout_id: str) -> None:
        """Stripe has no code of its own for a page that is not open; its status says it."""
        session = await self._ask(self._client.v1.checkout.sessions.retrieve_async(checkout_id))
        status = _read(lambda plain: text(plain, "status"), session)
        if status != "open":
            raise CheckoutNotOpen(
                f"Checkout {checkout_id} is {status} and cannot be closed any more.", details={"status": status}
            )

    async def ask(self, checkout_id: str) -> Sequence[Notice]:
        session = await self._ask(
            self._client.v1.checkout.sessions.retrieve_async(checkout_id, {"expand": ["payment_intent"]})
        )
        return _read(checkout_sessions.as_it_stands, session)

    async def find_checkouts(self, payment_id: str, around: datetime) -> Sequence[Checkout]:
        """See the port. `around` is the first attempt: its key may have opened the page at any time while Stripe knew it."""
        created = (around - CLOCK_SKEW, around + KEY_LIVES + CLOCK_SKEW)
        sessions = [session async for session in self._sessions(*created) if _is_for(payment_id, session)]
        return [_read(checkout_sessions.opened, session) for session in sessions]

    async def _sessions(self, since: datetime, until: datetime) -> AsyncIterator[stripe.checkout.Session]:
        created: SessionListParamsCreated = {
            "gte": int(since.timestamp()),
            "lte": int(until.timestamp()),
        }
        page = await self._ask(self._client.v1.checkout.sessions.list_async({"created": created, "limit": PAGE}))
        while not page.is_empty:
            for session in page.data:
                yield session
            page = await self._ask(page.next_page_async())

    # Refunds and disputes.

    def refund_request(self, order: RefundOrder) -> bytes:
        return requests.written(refund_requests.params(order))

    async def refund(self, request: bytes, key: str) -> RefundUpdated:
        api_version, params = requests.read(request)
        with _refund_impossible():
            refund = await self._ask(
                self._client.v1.refunds.create_async(params, {"idempotency_key": key, "stripe_version": api_version})
            )
        return _read(refunds.as_it_stands, refund)

    async def list_refunds(self, gateway_payment_id: str) -> Sequence[RefundUpdated]:
        found: list[RefundUpdated] = []
        wanted: RefundListParams = {"payment_intent": gateway_payment_id, "limit": PAGE}
        page = await self._ask(self._client.v1.refunds.list_async(wanted))
        while not page.is_empty:
            found += [_read(refunds.as_it_stands, refund) for refund in page.data]
            page = await self._ask(page.next_page_async())
        return found[::-1]

    async def read_dispute(self, dispute_id: str) -> DisputeUpdated:
        return _read(disputes.as_it_stands, await self._ask(self._client.v1.disputes.retrieve_async(dispute_id)))

    async def payment_of_charge(self, charge_id: str) -> str | None:
        try:
            charge = await self._ask(self._client.v1.charges.retrieve_async(charge_id))
        except GatewayRefused as refusal:
            if is_missing(refusal):
                return None
            raise
        return _read(lambda plain: reference(plain, "payment_intent"), charge)

    # Prices.

    async def read_price(self, price_id: str) -> ListedPrice:
        if not price_id.strip("."):
            raise PriceUnknown(price_id)  # As part of an address, dots alone would name another place.
        with _price_named(price_id):
            price = await self._ask(self._client.v1.prices.retrieve_async(price_id, {"expand": ["product"]}))
        return _read(prices.listed, price)

    # Subscriptions.

    async def subscription_request(self, gateway_subscription_id: str, wanted: Wanted) -> bytes:
        with _subscription_named():
            found = await self._ask(self._client.v1.subscriptions.retrieve_async(gateway_subscription_id))
        return requests.written(_read(lambda plain: ChangeCall.of(plain, wanted), found).as_json())

    async def change_subscription(self, request: bytes, key: str) -> Stated:
        api_version, written = requests.read(request)
        call, options = ChangeCall(**written), stripe.RequestOptions(idempotency_key=key, stripe_version=api_version)
        try:
            with _subscription_named():
                return _read(subscriptions.stated, await self._ask(self._change(call, options)))
        except SubscriptionUnknownThere:
            if call.call != "cancel":
                raise
            # Stripe cancels nothing twice, not even under one key: an earlier attempt may have done it.
            return await self.read_subscription(call.subscription)

    def _change(self, call: ChangeCall, options: stripe.RequestOptions) -> Awaitable[stripe.Subscription]:
        match call.call:
            case "update":
                return self._client.v1.subscriptions.update_async(call.subscription, call.params, options)
            case "cancel":
                return self._client.v1.subscriptions.cancel_async(call.subscription, call.params, options)
            case "resume":
                return self._client.v1.subscriptions.resume_async(call.subscription, call.params, options)

    async def read_subscription(self, gateway_subscription_id: str) -> Stated:
        with _subscription_named():
            found = await self._ask(self._client.v1.subscriptions.retrieve_async(gateway_subscription_id))
        return _read(subscriptions.stated, found)

    async def read_invoice(self, invoice_id: str) -> Notice:
        expand = ["payments.data.payment.payment_intent"]
        found = await self._ask(self._client.v1.invoices.retrieve_async(invoice_id, {"expand": expand}))
        return _read(invoices.as_it_stands, found)

    async def invoice_page(self, invoice_id: str) -> str | None:
        found = await self._ask(self._client.v1.invoices.retrieve_async(invoice_id))
        return _read(lambda plain: optional_text(plain, "hosted_invoice_url"), found)

    async def invoice_paid_with(self, gateway_payment_id: str) -> Notice | None:
        """See the port. Since 2025-03-31.basil a payment does not say what it is for: its place among invoice payments does."""
        page = await self._ask(
            self._client.v1.invoice_payments.list_async(
                {"payment": {"type": "payment_intent", "payment_intent": gateway_payment_id}, "limit": 1}
            )
        )
        found = page.data[0] if page.data else None
        invoice_id = _read(lambda plain: reference(plain, "invoice"), found) if found else None
        return await self.read_invoice(invoice_id) if invoice_id else None

    async def ask_about_invoices(self, gateway_subscription_id: str) -> Sequence[Notice]:
        page = await self._ask(
            self._client.v1.invoices.list_async(
                {"subscription": gateway_subscription_id, "limit": NEWEST_INVOICES, "expand": ["data.payments"]}
            )
        )
        told: list[Notice] = []
        for invoice in reversed(page.data):
            notice = _read(invoices.as_it_stands, invoice)
            # What the payment of an unpaid one waits for, a list has no room to show.
            told.append(await self.read_invoice(str(invoice.id)) if isinstance(notice, InvoiceFailed) else notice)
        return told

    async def find_checkout(self, gateway_subscription_id: str) -> str | None:
        page = await self._ask(
            self._client.v1.checkout.sessions.list_async({"subscription": gateway_subscription_id, "limit": 1})
        )
        return page.data[0].id if page.data else None

    # Metered usage.

    async def report_usage(self, report: UsageReport) -> None:
        meter = await self._meters.get(report.price_id, self._meter)
        customer = await self._customers.get(report.gateway_subscription_id, self._customer)
        try:
            await self._ask(self._client.v1.billing.meter_events.create_async(meter.event(report, customer)))
        except GatewayRefused as refusal:
            if not is_known_already(refusal):
                raise

    async def _meter(self, price_id: str) -> Meter:
        with _price_named(price_id):
            price = await self._ask(self._client.v1.prices.retrieve_async(price_id))
        meter_id = _read(meter_events.meter_id, price)
        return _read(Meter.of, await self._ask(self._client.v1.billing.meters.retrieve_async(meter_id)))

    async def _customer(self, gateway_subscription_id: str) -> str:
        with _subscription_named():
            found = await self._ask(self._client.v1.subscriptions.retrieve_async(gateway_subscription_id))
        return _read(customer_of, found)

    # Webhooks.

    def read_webhook(self, body: bytes, signature: str) -> Delivery:
        signatures.verify(body, signature, self._webhook_secrets, time.time())
        return webhooks.read(body)

    def reread(self, body: bytes) -> Delivery:
        return webhooks.read(body)

    async def missed(self, since: datetime) -> AsyncIterator[Delivery]:
        """See the port. Stripe lists 30 days, newest first: go to the oldest page, then back, holding one at a time.

        It lists by twenty types at most, and we act upon more: so all are asked for, and the others passed over here.
        Nor is `delivery_success` asked for: an endpoint that was switched off, or wanted other types then, misses events
        that count as delivered.
        """
        wanted: EventListParams = {"created": {"gte": int(since.timestamp())}}
        page = await self._oldest_events(wanted)
        while not page.is_empty:
            for event in reversed(page.data):
                if event.type in webhooks.TYPES and (delivery := _delivery(event)) is not None:
                    yield delivery
            newer: EventListParams = {**wanted, "ending_before": page.data[0].id, "limit": PAGE}
            page = await self._ask(self._client.v1.events.list_async(newer))

    async def _oldest_events(self, wanted: EventListParams) -> stripe.ListObject[stripe.Event]:
        page = await self._ask(self._client.v1.events.list_async({**wanted, "limit": PAGE}))
        while page.has_more:
            older = await self._ask(page.next_page_async())
            if older.is_empty:
                break
            page = older
        return page

    async def _ask(self, call: Awaitable[T]) -> T:
        precedence.set(self._precedence)
        with in_our_words():
            async with asyncio.timeout(self._timeout_seconds):
                return await call


def _read(reader: Callable[[Plain], Result], answer: stripe.StripeObject) -> Result:
    """Read an answer as the plain dictionary that its JSON was: the SDK's objects know no `.get`, and have Decimals."""
    try:
        return reader(answer.to_dict(for_json=True))
    except ShapeUnknown as error:
        raise GatewayUnavailable(str(error)) from error


def _is_for(payment: str, session: stripe.checkout.Session) -> bool:
    return payment_id(session.to_dict(for_json=True)) == payment


def _delivery(event: stripe.Event) -> Delivery | None:
    """A listed event as the webhook that it was. None, with a line in the log, where it is none: others come behind it."""
    plain = event.to_dict(for_json=True)
    try:
        return webhooks.read(json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode())
    except WebhookUnreadable as error:
        log.error("event_unreadable", event_id=event.id, event_type=event.type, reason=error.message)
        return None


@contextmanager
def _price_named(price_id: str) -> Iterator[None]:
    """Where nothing but a price is named in a call, what Stripe cannot find is that price."""
    try:
        yield
    except GatewayRefused as refusal:
        if is_missing(refusal):
            raise PriceUnknown(price_id) from None
        raise


@contextmanager
def _subscription_named() -> Iterator[None]:
    """What Stripe cannot find is the subscription that a call is about, unless it names something else in it."""
    try:
        yield
    except GatewayRefused as refusal:
        if is_missing(refusal) and refusal.details.get("gateway_param") in (None, "id"):
            raise SubscriptionUnknownThere(refusal.message, details=refusal.details) from None
        raise


@contextmanager
def _refund_impossible() -> Iterator[None]:
    """What the state of a charge forbids is no mistake in the request. Stripe says it by code, or of the amount."""
    try:
        yield
    except GatewayKeyMismatch:
        raise
    except GatewayRefused as refusal:
        code, param = refusal.details.get("gateway_code"), refusal.details.get("gateway_param")
        if code in ("charge_already_refunded", "charge_disputed") or param == "amount":
            raise RefundNotPossible(refusal.message, details=refusal.details) from None
        raise
