"""What a gateway states of a subscription: taken over, unless something newer is known; it is asked where nobody can tell."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from commands.open_requests import OpenRequest, OpenRequests, RequestKind
from commands.ports import Answer, Context, Decided, EventStore, Receipt, States, StreamsBusy
from domain.payment import PAYMENTS, Payment
from domain.product import PaymentType
from domain.project import PROJECTS, Project
from domain.streams import Stream
from domain.subscription import (
    SUBSCRIPTIONS,
    Stated,
    Subscription,
    SubscriptionEvent,
    Verdict,
    lapse,
    subscription_id,
)
from domain.subscription.statements import begin, differs, follow, product_id_at, weigh
from gateways.errors import NoticeUnmatched
from gateways.notices import SubscriptionStated
from gateways.port import Gateway

TRIES = 5  # at asking, while others learn of the same subscription
LOOK_AGAIN_WITHIN = timedelta(days=1)
PATIENCE = timedelta(hours=2)  # An invoice stays a draft for an hour, and its webhooks take their time.


class Overtaken(Exception):
    """Something became known while the gateway was asked: its answer may be older than that."""


class Origin(NamedTuple):
    """Whose a subscription is: its project, and the payment of the checkout in which it began."""

    project: Project
    payment: Payment

    @property
    def grace(self) -> timedelta:
        return timedelta(days=self.project.grace_period_days)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the gateway said when it was asked, and what was known before that: it is of no use once more is known."""

    stated: Stated
    known: Subscription | None


async def origin_of(stream: Stream[Subscription, SubscriptionEvent], hint: str | None, store: EventStore) -> Origin:
    """Whose this subscription is. The store decides: a hint counts only where it names a payment for a subscription.

    Raises `NoticeUnmatched` where it is nobody's, or not known yet.
    """
    subscription = await store.load(stream)
    payment_id = subscription.payment_id if subscription else hint
    if payment_id is None:
        raise NoticeUnmatched
    payment = await store.load(PAYMENTS.at(payment_id))
    if payment is None or payment.payment_type != PaymentType.SUBSCRIPTION:
        raise NoticeUnmatched
    project = await store.load(PROJECTS.at(payment.project_id))
    assert project is not None, "a payment has a project"
    return Origin(project, payment)


async def state(
    notice: SubscriptionStated, context: Context, store: EventStore, gateway: Gateway, open_requests: OpenRequests
) -> Receipt:
    """Record what a statement changes. The first one of a subscription takes it up.

    Raises `NoticeUnmatched`, and `GatewayUnavailable` where the gateway had to be asked.
    """
    stream = SUBSCRIPTIONS.at(subscription_id(gateway.name, notice.stated.gateway_subscription_id))
    origin = await origin_of(stream, notice.payment_id, store)
    context = context.for_project(origin.project.project_id)
    for _ in range(TRIES):
        answer = await _asked_if_unclear(notice, stream, store, gateway)

        def decide(states: States, answer: Asked | None = answer) -> Decided:
            facts = _meaning(notice, states[stream], answer, origin)
            return Decided([stream.facts(*facts)], {"subscription_id": stream.id})

        try:
            await watch(stream.id, context, gateway, open_requests)
            receipt = await store.record(context, [stream], decide)
        except Overtaken:
            continue
        await watch_on(stream, context.now, store, open_requests)
        return receipt
    raise StreamsBusy


async def take_up(
    gateway_subscription_id: str,
    hint: str | None,
    context: Context,
    store: EventStore,
    gateway: Gateway,
    open_requests: OpenRequests,
) -> Subscription:
    """The subscription, asked for at the gateway where no statement of it has come yet. Raises as `state` does."""
    stream = SUBSCRIPTIONS.at(subscription_id(gateway.name, gateway_subscription_id))
    known = await store.load(stream)
    if known is not None:
        return known
    origin = await origin_of(stream, hint, store)
    stated = await gateway.read_subscription(gateway_subscription_id)

    def decide(states: States) -> Decided:
        if states[stream] is not None:
            return Decided([], {"subscription_id": stream.id})
        facts = _begin(stated, stated.started_at, origin, asked=True)  # What came between was not told.
        return Decided([stream.facts(*facts)], {"subscription_id": stream.id})

    await watch(stream.id, context.for_project(origin.project.project_id), gateway, open_requests)
    await store.record(context.step("taken_up").for_project(origin.project.project_id), [stream], decide)
    await watch_on(stream, context.now, store, open_requests)
    taken_up = await store.load(stream)
    assert taken_up is not None, "just recorded"
    return taken_up


async def state_as_asked(
    known: Subscription, stated: Stated, context: Context, store: EventStore, answer: Callable[[Subscription], Answer]
) -> Receipt:
    """Record what the gateway, asked after `known` was loaded, has otherwise. `answer` says what to answer of it then.

    Raises `Overtaken` where anything became known meanwhile.
    """
    stream = SUBSCRIPTIONS.at(known.subscription_id)
    origin = await origin_of(stream, None, store)

    def decide(states: States) -> Decided:
        if states[stream] != known:
            raise Overtaken
        facts: list[SubscriptionEvent] = []
        if differs(known, stated):
            facts = _follow(known, stated, known.standing.stated_at, origin, asked=True)
        return Decided([stream.facts(*facts)], answer(SUBSCRIPTIONS.fold(facts, known) or known))

    return await store.record(context.for_project(known.project_id), [stream], decide)


async def end_grace(stream: Stream[Subscription, SubscriptionEvent], context: Context, store: EventStore) -> bool:
    """End a grace period whose time is over. Returns whether it did."""
    known = await store.load(stream)
    if known is None or not lapse(known, context.now):
        return False

    def decide(states: States) -> Decided:
        subscription = states[stream]
        facts = lapse(subscription, context.now) if subscription else []
        return Decided([stream.facts(*facts)], {"subscription_id": stream.id, "lapsed": bool(facts)})

    ends = known.standing.access_until
    receipt = await store.record(context.step(f"grace_ended/{ends}").for_project(known.project_id), [stream], decide)
    return bool(receipt.answer["lapsed"]) and not receipt.replayed


async def watch(id: str, context: Context, gateway: Gateway, open_requests: OpenRequests) -> None:
    """See to it that a subscription is asked about from now on. Kept before its first fact, so that none is forgotten."""
    opened = OpenRequest(
        kind=RequestKind.SUBSCRIPTION,
        id=id,
        stream_id=id,
        project_id=context.project_id,
        gateway=gateway.name,
        command_id=context.command_id,
        fingerprint=context.fingerprint,
        request_id=context.request_id,
        created_at=context.now,
    )
    await open_requests.add(opened, due_at=context.now + LOOK_AGAIN_WITHIN)


async def watch_on(
    stream: Stream[Subscription, SubscriptionEvent], now: datetime, store: EventStore, open_requests: OpenRequests
) -> None:
    """Set when to ask about it again, from how it stands; never again once it is over."""
    subscription = await store.load(stream)
    if subscription is None:
        return
    if subscription.ended:
        await open_requests.close(RequestKind.SUBSCRIPTION, stream.id, now)
    else:
        due_at = look_again_at(subscription, now)
        await open_requests.postpone(RequestKind.SUBSCRIPTION, stream.id, due_at, attempts=0)


def look_again_at(subscription: Subscription, now: datetime) -> datetime:
    """When something should have become known of it: after its period, its trial, its next attempt; a day from now at most."""
    known = subscription.standing
    expected = [known.current_period_end, known.trial_end, known.cancel_at, known.next_attempt_at]
    due = [moment + PATIENCE for moment in expected if moment is not None]
    if subscription.status.owing and known.access_until is not None:
        due.append(known.access_until)
    return min(now + LOOK_AGAIN_WITHIN, *(moment for moment in due if moment > now))


async def _asked_if_unclear(
    notice: SubscriptionStated, stream: Stream[Subscription, SubscriptionEvent], store: EventStore, gateway: Gateway
) -> Asked | None:
    known = await store.load(stream)
    if known is None or weigh(known, notice.stated, notice.stated_at) is not Verdict.UNCLEAR:
        return None
    return Asked(await gateway.read_subscription(notice.stated.gateway_subscription_id), known)


def _meaning(
    notice: SubscriptionStated, known: Subscription | None, answer: Asked | None, origin: Origin
) -> list[SubscriptionEvent]:
    if known is None:
        return _begin(notice.stated, notice.stated_at, origin, asked=False)
    match weigh(known, notice.stated, notice.stated_at):
        case Verdict.NOTHING_NEW:
            return []
        case Verdict.NEWER:
            return _follow(known, notice.stated, notice.stated_at, origin, asked=False)
        case Verdict.UNCLEAR:
            if answer is None or answer.known != known:
                raise Overtaken
            return _follow(known, answer.stated, notice.stated_at, origin, asked=answer.stated != notice.stated)


def _begin(stated: Stated, stated_at: datetime, origin: Origin, *, asked: bool) -> list[SubscriptionEvent]:
    product_id = product_id_at(origin.project, origin.payment, stated.price.price_id)
    return begin(origin.payment, stated, product_id=product_id, stated_at=stated_at, asked=asked, grace=origin.grace)


def _follow(
    known: Subscription, stated: Stated, stated_at: datetime, origin: Origin, *, asked: bool
) -> list[SubscriptionEvent]:
    product_id = product_id_at(origin.project, origin.payment, stated.price.price_id)
    return follow(known, stated, product_id=product_id, stated_at=stated_at, asked=asked, grace=origin.grace)
