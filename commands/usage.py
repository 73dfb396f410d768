"""Metered usage: recorded without asking anybody, then reported to the gateway, in the background and once."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import groupby
from uuid import UUID, uuid5

import structlog

from commands.asking import SAME_KEY_FOR
from commands.open_requests import OpenRequest, OpenRequests, RequestKind
from commands.ports import Answer, Context, Deadline, Decided, EventStore, Receipt, States, StoreUnavailable
from domain.customer import customer_id
from domain.errors import DomainError
from domain.product import ProductType
from domain.project import Project
from domain.project.catalogue import product_for_sale
from domain.streams import Stream
from domain.subscription import SUBSCRIPTIONS, Subscription
from domain.usage import USAGE, Usage, UsageEvent, UsageRecorded, check_time, record, reject, repeats, report
from domain.usage.errors import NotSubscribed, ProductNotMetered
from gateways.errors import GatewayBusy, GatewayRefused, GatewayUnavailable
from gateways.port import Gateway, UsageReport
from schemas import times

log = structlog.get_logger()

ASK_AGAIN_AFTER = timedelta(minutes=1)
AT_ONCE = 50  # uses, of which those of one subscription go one after the other
FAILED_FOR = timedelta(minutes=10)

_NAMESPACE = UUID("b6b25c35-7f0d-5b43-8f0a-3c1d9a4e2f66")
_MICROSECOND = timedelta(microseconds=1)

UsageStream = Stream[Usage, UsageEvent]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordUsage:
    """A customer used so much of a metered product, now unless a time is given. `identifier` is the project's own."""

    project: Project
    user_id: str
    product_id: str
    quantity: int
    used_at: datetime | None
    identifier: str | None


def usage_id_of(command: RecordUsage, command_id: UUID) -> str:
    """One id for one use: by the project's own identifier, where it sent one; else by the command."""
    cause = f"{command.project.project_id}/{command.identifier}" if command.identifier is not None else str(command_id)
    return f"usg_{uuid5(_NAMESPACE, cause).hex}"


async def record_usage(command: RecordUsage, context: Context, store: EventStore) -> Receipt:
    """Record it. Answers as `answer_of`. The gateway is told later, by whoever calls `report_due`.

    Raises `ProductUnknown`, `ProductNotMetered`, `NotSubscribed`, `UsedTooLongAgo`, `UsedInFuture`, `IdentifierReused`.
    """
    stream = USAGE.at(usage_id_of(command, context.command_id))
    used_at = None if command.used_at is None else command.used_at.replace(microsecond=0)
    try:
        recorded = await _described(command, stream.id, used_at, context, store)
    except DomainError:
        if await store.load(stream) is None:
            raise
        # It was recorded when all this was otherwise: before it grew old, or while its subscription ran.
        return await store.record(context, [stream], lambda states: _again(command, used_at, stream, states))

    def decide(states: States) -> Decided:
        if states[stream] is not None:
            return _again(command, used_at, stream, states)
        facts = record(None, recorded)
        return Decided([stream.facts(*facts)], answer_of(_known(USAGE.fold(facts))))

    return await store.record(context, [stream], decide)


async def _described(
    command: RecordUsage, usage_id: str, used_at: datetime | None, context: Context, store: EventStore
) -> UsageRecorded:
    product = product_for_sale(command.project, command.product_id, "auto")
    if product.type is not ProductType.METERED:
        raise ProductNotMetered(command.product_id)
    moment = used_at or context.now.replace(microsecond=0)
    check_time(moment, context.now)
    subscription = await _subscription(command, store)
    return UsageRecorded(
        usage_id=usage_id,
        project_id=command.project.project_id,
        user_id=command.user_id,
        customer_id=subscription.customer_id,
        subscription_id=subscription.subscription_id,
        product_id=command.product_id,
        price_id=subscription.standing.price_id,
        gateway=subscription.gateway,
        gateway_subscription_id=subscription.gateway_subscription_id,
        quantity=command.quantity,
        used_at=moment,
        identifier=command.identifier,
    )


def _again(command: RecordUsage, used_at: datetime | None, stream: UsageStream, states: States) -> Decided:
    usage = _known(states[stream])
    repeats(usage, user_id=command.user_id, product_id=command.product_id, quantity=command.quantity, used_at=used_at)
    return Decided([], answer_of(usage))


async def _subscription(command: RecordUsage, store: EventStore) -> Subscription:
    """The customer's subscription to the product; of several that run, the one that began last."""
    owner = customer_id(command.project.project_id, command.user_id)
    ids = await store.owned(owner, "sub_")
    running = []
    for id in ids:
        found = await store.load(SUBSCRIPTIONS.at(id))
        if found is not None and not found.ended and found.standing.product_id == command.product_id:
            running.append(found)
    if not running:
        raise NotSubscribed(command.user_id, command.product_id)
    return max(running, key=lambda one: (one.started_at, one.subscription_id))


def answer_of(usage: Usage) -> Answer:
    """One use, and whether the gateway has counted it."""
    known = usage.recorded
    return {
        "usage_id": known.usage_id,
        "user_id": known.user_id,
        "product_id": known.product_id,
        "subscription_id": known.subscription_id,
        "quantity": known.quantity,
        "used_at": times.to_text(known.used_at),
        "identifier": known.identifier,
        "status": usage.status.value,
        "failure_code": usage.failure_code,
        "failure_reason": usage.failure_reason,
    }


# Reporting. A deadline stands for what nobody has reported yet; it is due at a whole second until somebody begins to, and
# says from then on when that was. What stays unclear is put among the open requests, with that moment.


@dataclass(frozen=True, slots=True)
class _Due:
    """Something to report. `asked_at` is when the gateway was first asked; the deadline says when to look again."""

    deadline: Deadline
    usage: Usage
    asked_at: datetime

    @property
    def subscription(self) -> str:
        return self.usage.recorded.gateway_subscription_id


async def report_due(
    now: datetime, actor: str, store: EventStore, gateway: Gateway, open_requests: OpenRequests, limit: int = 1_000
) -> Mapping[str, int]:
    """Tell the gateway of use that it was not told of yet. Returns how many ended how.

    The first goes alone: while the gateway is away, only that one becomes unclear, and the others wait for the next time.
    """
    outcomes = Counter[str]()
    at_once = 1
    while outcomes.total() < limit and not outcomes["gateway_unavailable"] and not outcomes["gateway_busy"]:
        due = await _take_up(await store.due(USAGE.topic, now, at_once), now, store)
        if not due:
            break
        by_subscription = groupby(sorted(due, key=lambda one: one.subscription), key=lambda one: one.subscription)
        told = await asyncio.gather(
            *(_report_in_turn(list(of_one), now, actor, store, gateway, open_requests) for _, of_one in by_subscription)
        )
        outcomes.update(outcome for of_one in told for outcome in of_one)
        at_once = AT_ONCE
    return outcomes


async def _take_up(deadlines: Sequence[Deadline], now: datetime, store: EventStore) -> Sequence[_Due]:
    """Note that these are being reported. Those that were before, by somebody who died over it, were first asked then."""
    begun = now + ASK_AGAIN_AFTER
    begun = begun if begun.microsecond else begun + _MICROSECOND
    fresh = [deadline for deadline in deadlines if deadline.due_at.microsecond == 0]
    await store.put_off(fresh, begun)
    usages = await asyncio.gather(*(_loaded(deadline.stream_id, store) for deadline in deadlines))
    return [
        _Due(replace(deadline, due_at=begun), usage, now)
        if deadline in fresh
        else _Due(deadline, usage, deadline.due_at - ASK_AGAIN_AFTER)
        for deadline, usage in zip(deadlines, usages, strict=True)
    ]


async def _loaded(usage_id: str, store: EventStore) -> Usage:
    usage = await store.load(USAGE.at(usage_id))
    return _known(usage)


async def _report_in_turn(
    due: Sequence[_Due],
    now: datetime,
    actor: str,
    store: EventStore,
    gateway: Gateway,
    open_requests: OpenRequests,
) -> list[str]:
    """One subscription's, one after the other: Stripe takes no two at a time for one customer and meter."""
    return [await _report(one, now, actor, store, gateway, open_requests) for one in due]


async def _report(
    due: _Due, now: datetime, actor: str, store: EventStore, gateway: Gateway, open_requests: OpenRequests
) -> str:
    """Never raises for one's sake: the others wait behind it."""
    context = _context(due, now, actor)
    try:
        outcome = await report_usage(due.usage, due.asked_at, context, store, gateway)
    except StoreUnavailable:
        raise
    except GatewayBusy as error:
        if due.asked_at == now:  # It did nothing: as if it had not been asked.
            await store.put_off([due.deadline], (now + error.pause).replace(microsecond=0))
        return error.code
    except GatewayUnavailable as error:
        await open_requests.add(_unclear(due, context), due_at=now + ASK_AGAIN_AFTER)
        await store.met([due.deadline])
        return error.code
    except Exception:
        log.exception("usage_not_reported", usage_id=due.usage.recorded.usage_id)
        await open_requests.add(_unclear(due, context), due_at=now + FAILED_FOR)
        outcome = "failed"
    await store.met([due.deadline])
    return outcome


async def report_usage(usage: Usage, asked_at: datetime, context: Context, store: EventStore, gateway: Gateway) -> str:
    """Have it counted, and record that: `reported` or `rejected`; `ended` where it was before.

    `asked_at` is when the gateway was first asked. It knows an identifier again for a day: later, asking once more could
    count twice, so what is unclear by then is rejected as `unconfirmed`. Raises `GatewayUnavailable`.
    """
    if usage.ended:
        return "ended"
    if context.now - asked_at > SAME_KEY_FOR:
        reason = "The gateway's answer never came, and to ask again could count it twice."
        return await _end(usage, "unconfirmed", reason, context, store)
    known = usage.recorded
    try:
        await gateway.report_usage(
            UsageReport(
                identifier=known.usage_id,
                gateway_subscription_id=known.gateway_subscription_id,
                price_id=known.price_id,
                quantity=known.quantity,
                used_at=known.used_at,
            )
        )
    except GatewayRefused as refusal:
        code = str(refusal.details.get("gateway_code") or refusal.code)
        return await _end(usage, code, refusal.message, context, store)
    return await _end(usage, None, "", context, store)


async def _end(usage: Usage, code: str | None, reason: str, context: Context, store: EventStore) -> str:
    stream = USAGE.at(usage.recorded.usage_id)

    def decide(states: States) -> Decided:
        usage = _known(states[stream])
        facts = report(usage) if code is None else reject(usage, code, reason)
        return Decided([stream.facts(*facts)], {"usage_id": stream.id})

    await store.record(context.step("ended"), [stream], decide)
    return "reported" if code is None else "rejected"


def _context(due: _Due, now: datetime, actor: str) -> Context:
    known = due.usage.recorded
    command_id = uuid5(_NAMESPACE, f"{known.usage_id}/report")
    return Context(
        command_id=command_id,
        fingerprint=sha256(command_id.bytes).digest(),
        project_id=known.project_id,
        actor=actor,
        request_id=f"usage-{command_id.hex}",
        causation_id=str(command_id),
        now=now,
    )


def _unclear(due: _Due, context: Context) -> OpenRequest:
    known = due.usage.recorded
    return OpenRequest(
        kind=RequestKind.USAGE,
        id=known.usage_id,
        stream_id=known.usage_id,
        project_id=known.project_id,
        gateway=known.gateway,
        command_id=context.command_id,
        fingerprint=context.fingerprint,
        request_id=context.request_id,
        created_at=due.asked_at,
    )


def _known(usage: Usage | None) -> Usage:
    assert usage is not None, "recorded before it is told of"
    return usage
