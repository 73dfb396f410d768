"""Change subscriptions: what is asked for is recorded before the gateway is asked, and how things stand then after."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from commands.asking import alone, key_lives
from commands.open_requests import SEALED_KIND, OpenRequest, OpenRequests, RequestKind, to_send
from commands.ports import Answer, Context, Decided, EventStore, Receipt, States, StreamsBusy
from commands.refusals import refusing, unless_refused, with_refusal
from commands.statements import TRIES, Overtaken, state_as_asked, watch_on
from domain.errors import DomainError
from domain.project import Project
from domain.project.catalogue import product_for_sale
from domain.streams import Stream
from domain.subscription import SUBSCRIPTIONS, Stated, Subscription, SubscriptionEvent, changes
from domain.subscription.changes import Proration, Wanted
from domain.subscription.errors import NothingOwed, SubscriptionUnknown
from gateways.errors import GatewayKeyMismatch, GatewayRefused, GatewayUnavailable
from gateways.port import Gateway
from schemas import times
from vault.port import Vault

ASK_AGAIN_AFTER = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelSubscription:
    """End a subscription, with the period that is paid for or at once."""

    project: Project
    subscription_id: str
    at_period_end: bool
    reason: str

    product_id: None = None

    def wanted(self, subscription: Subscription) -> Wanted | None:
        return changes.cancel(subscription, at_period_end=self.at_period_end)


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseSubscription:
    """Charge nothing until it is resumed."""

    project: Project
    subscription_id: str
    reason: str

    product_id: None = None

    def wanted(self, subscription: Subscription) -> Wanted | None:
        return changes.pause(subscription)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeSubscription:
    """Go on after a pause, or in spite of a cancellation whose time has not come."""

    project: Project
    subscription_id: str
    reason: str

    product_id: None = None

    def wanted(self, subscription: Subscription) -> Wanted | None:
        return changes.resume(subscription)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSubscription:
    """Subscribe to another product of the catalogue, or to more or less of it. None: as it is."""

    project: Project
    subscription_id: str
    product_id: str | None
    quantity: int | None
    proration: Proration
    reason: str

    def wanted(self, subscription: Subscription) -> Wanted | None:
        product = product_for_sale(self.project, self.product_id, "subscription") if self.product_id else None
        return changes.change(subscription, product, self.quantity, self.proration)


Command = CancelSubscription | PauseSubscription | ResumeSubscription | ChangeSubscription


def change_id_of(command_id: UUID) -> str:
    """The id of the change that a command asks for, however often the command is sent."""
    return f"chg_{uuid5(command_id, 'change').hex}"


async def change_subscription(
    command: Command,
    context: Context,
    store: EventStore,
    gateway: Gateway,
    vault: Vault,
    open_requests: OpenRequests,
) -> Receipt:
    """Record what is asked for, ask the gateway, record how things stand then. A retry goes on where a crash stopped.

    Answers what `answer_of` shows, with `outcome` `unconfirmed` where the gateway's answer never came. What is so already is
    answered at once. Raises what the subscription, the catalogue or the gateway refuses: `SubscriptionUnknown`,
    `SubscriptionEnded`, `ProductUnknown`, `PaymentDeclined`, …
    """
    receipt = await store.receipt(context.step("answered"))
    if receipt is not None:
        return unless_refused(receipt)
    stream = SUBSCRIPTIONS.at(command.subscription_id)
    if await store.receipt(context) is None:
        wanted = await _wanted(command, stream, context, store)
        if wanted is None:
            return await store.record(context.step("answered"), [stream], _as_it_is(stream))
        await _request(command, wanted, stream, context, store, gateway, vault, open_requests)
    kept = await open_requests.get(RequestKind.SUBSCRIPTION_CHANGE, change_id_of(context.command_id))
    assert kept is not None, "kept before the change was recorded"
    return await ask_for_change(kept, context, store, gateway, vault, open_requests)


async def _wanted(
    command: Command, stream: Stream[Subscription, SubscriptionEvent], context: Context, store: EventStore
) -> Wanted | None:
    subscription = await store.load(stream)
    if subscription is None or subscription.project_id != command.project.project_id:
        raise SubscriptionUnknown(command.subscription_id)
    try:
        return command.wanted(subscription)
    except DomainError as refusal:
        await store.record(context, [], refusing(refusal))
        raise


async def _request(
    command: Command,
    wanted: Wanted,
    stream: Stream[Subscription, SubscriptionEvent],
    context: Context,
    store: EventStore,
    gateway: Gateway,
    vault: Vault,
    open_requests: OpenRequests,
) -> None:
    subscription = await store.load(stream)
    assert subscription is not None, "it was found just now"
    change_id = change_id_of(context.command_id)
    request = await gateway.subscription_request(subscription.gateway_subscription_id, wanted)
    # With the project's key: it names no person, and what was erased must still be ended.
    sealed = await vault.seal(subscription.project_id, SEALED_KIND, change_id, {"request": request.decode()})
    await open_requests.add(
        OpenRequest(
            kind=RequestKind.SUBSCRIPTION_CHANGE,
            id=change_id,
            stream_id=stream.id,
            project_id=subscription.project_id,
            gateway=gateway.name,
            command_id=context.command_id,
            fingerprint=context.fingerprint,
            request_id=context.request_id,
            created_at=context.now,
            idempotency_key=f"tillstream-{context.command_id}-1",
            request=sealed,
        ),
        due_at=context.now + ASK_AGAIN_AFTER,
    )

    def decide(states: States) -> Decided:
        facts = changes.request(
            _known(states, stream), wanted, change_id=change_id, product_id=command.product_id, reason=command.reason
        )
        return Decided([stream.facts(*facts)], {"subscription_id": stream.id, "change_id": change_id})

    await store.record(context, [stream], decide)


async def ask_for_change(
    kept: OpenRequest,
    context: Context,
    store: EventStore,
    gateway: Gateway,
    vault: Vault,
    open_requests: OpenRequests,
) -> Receipt:
    """Ask the gateway for a recorded change, with the request and key that were kept for it.

    Raises `CommandInProgress` while another process is doing so.
    """
    async with alone(context, store):
        return await _ask(kept, context, store, gateway, vault, open_requests)


async def _ask(
    kept: OpenRequest,
    context: Context,
    store: EventStore,
    gateway: Gateway,
    vault: Vault,
    open_requests: OpenRequests,
) -> Receipt:
    stream = SUBSCRIPTIONS.at(kept.stream_id)
    known = await _loaded(stream, store)
    try:
        if key_lives(kept, context.now):
            stated = await gateway.change_subscription(*await to_send(kept, vault))
        else:  # How it stands is all that can be known.
            stated = await gateway.read_subscription(known.gateway_subscription_id)
    except (GatewayUnavailable, GatewayKeyMismatch):
        requested = await store.receipt(context)
        assert requested is not None, "recorded before the gateway is asked"
        return Receipt(answer_of(known, "unconfirmed"), requested.versions, replayed=False)
    except GatewayRefused as refusal:
        receipt = await _refuse(kept, refusal, context, store)
    else:
        receipt = await _answer(known, stated, context, store, gateway)
    await open_requests.close(kept.kind, kept.id, context.now)
    await watch_on(stream, context.now, store, open_requests)
    return unless_refused(receipt)


async def _answer(
    known: Subscription, stated: Stated, context: Context, store: EventStore, gateway: Gateway
) -> Receipt:
    """Record how it stands after the change. What a webhook told meanwhile may be newer: then the gateway is asked again."""
    for _ in range(TRIES):
        try:
            return await state_as_asked(known, stated, context.step("answered"), store, answer_of)
        except Overtaken:
            known = await _loaded(SUBSCRIPTIONS.at(known.subscription_id), store)
            stated = await gateway.read_subscription(known.gateway_subscription_id)
    raise StreamsBusy


async def _refuse(kept: OpenRequest, refusal: GatewayRefused, context: Context, store: EventStore) -> Receipt:
    stream = SUBSCRIPTIONS.at(kept.stream_id)
    code = str(refusal.details.get("gateway_code") or refusal.code)

    def decide(states: States) -> Decided:
        facts = changes.refuse(_known(states, stream), kept.id, code)
        return Decided([stream.facts(*facts)], with_refusal({"subscription_id": stream.id}, refusal))

    return await store.record(context.step("answered"), [stream], decide)


async def payment_page(project_id: str, id: str, store: EventStore, gateway: Gateway) -> Answer:
    """The page on which a customer can pay, or confirm, the newest invoice that was tried in vain.

    Answers {subscription_id, invoice_id, action_required, url}. Raises `SubscriptionUnknown`, `NothingOwed`.
    """
    subscription = await store.load(SUBSCRIPTIONS.at(id))
    if subscription is None or subscription.project_id != project_id:
        raise SubscriptionUnknown(id)
    invoice_id = subscription.owed_invoice_id
    url = await gateway.invoice_page(invoice_id) if invoice_id else None
    if url is None:
        raise NothingOwed(subscription)
    return {
        "subscription_id": id,
        "invoice_id": invoice_id,
        "action_required": subscription.standing.action_required,
        "url": url,
    }


def answer_of(subscription: Subscription, outcome: str = "done") -> Answer:
    """How a subscription stands after a change, and whether that is known to be made: `done` or `unconfirmed`."""
    known = subscription.standing
    return {
        "subscription_id": known.subscription_id,
        "outcome": outcome,
        "status": known.status,
        "product_id": known.product_id,
        "quantity": known.quantity,
        "amount": known.amount_minor,
        "currency": known.currency,
        "current_period_end": times.to_text(known.current_period_end),
        "cancel_at": _text(known.cancel_at),
        "access_until": _text(known.access_until),
    }


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else times.to_text(moment)


def _as_it_is(stream: Stream[Subscription, SubscriptionEvent]) -> Callable[[States], Decided]:
    return lambda states: Decided([], answer_of(_known(states, stream)))


def _known(states: States, stream: Stream[Subscription, SubscriptionEvent]) -> Subscription:
    subscription = states[stream]
    assert subscription is not None, "a subscription does not vanish"
    return subscription


async def _loaded(stream: Stream[Subscription, SubscriptionEvent], store: EventStore) -> Subscription:
    subscription = await store.load(stream)
    assert subscription is not None, "a subscription does not vanish"
    return subscription
