"""Credits: give some, spend some, set some aside for what is under way, and record what time alone has ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import groupby
from typing import Any, TypeVar
from uuid import UUID, uuid5

import structlog

from commands.customers import freezes_with_customer
from commands.ports import Context, Deadline, Decided, EventStore, Receipt, States, StoreUnavailable
from domain.customer import CUSTOMERS, customer_id
from domain.streams import Stream
from domain.wallet import (
    WALLETS,
    CreditsConsumed,
    CreditsHeld,
    CreditsHoldCaptured,
    CreditsHoldReleased,
    Portion,
    Wallet,
    WalletEvent,
    consume,
    expire,
    grant,
    holds,
    wallet_id,
)
from domain.wallet.errors import HoldUnknown
from domain.wallet.grants import check_grantable
from schemas import times

log = structlog.get_logger()

LOOK_AGAIN_AFTER = timedelta(minutes=10)  # Nobody waits for it: a spend records first what has expired.

_NAMESPACE = UUID("5d1f0a86-3a4e-5b0c-9c1d-2f7e6a9b8c44")

Wallets = Stream[Wallet, WalletEvent]
Fact = TypeVar("Fact")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Whose credits, and which."""

    project_id: str
    user_id: str
    credit_type: str

    @property
    def stream(self) -> Wallets:
        return WALLETS.at(wallet_id(self.project_id, self.user_id, self.credit_type))


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantCredits:
    """Give a customer credits that nobody paid for."""

    account: Account
    amount: int
    reason: str
    priority: int
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumeCredits:
    """Spend credits on something, `reference` in the project's words."""

    account: Account
    amount: int
    reference: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldCredits:
    """Set credits aside for something under way, until a time at most."""

    account: Account
    amount: int
    reference: str | None
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureHold:
    """Spend what is held, or so much of it. The rest is free again."""

    project_id: str
    hold_id: str
    amount: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseHold:
    """Let what is held be free again."""

    project_id: str
    hold_id: str


async def grant_credits(command: GrantCredits, context: Context, store: EventStore) -> Receipt:
    """Answers {entry_id, amount, priority, expires_at} and how the wallet then stands. Raises as `check_grantable` does."""
    account, stream = command.account, command.account.stream
    customer = CUSTOMERS.at(customer_id(account.project_id, account.user_id))
    entry = _entry_id(context)

    def decide(states: States) -> Decided:
        wallet = states[stream]
        check_grantable(wallet, command.amount, command.expires_at, context.now)
        facts = grant(
            wallet,
            project_id=account.project_id,
            user_id=account.user_id,
            credit_type=account.credit_type,
            amount=command.amount,
            entry_id=entry,
            reason=command.reason,
            now=context.now,
            priority=command.priority,
            expires_at=command.expires_at,
        )
        answer = {
            "entry_id": entry,
            "amount": command.amount,
            "priority": command.priority,
            "expires_at": _text(command.expires_at),
        }
        frozen = freezes_with_customer(states[customer], stream, wallet, facts)
        return Decided([stream.facts(*facts, *frozen)], {**answer, **_standing(facts)})

    return await store.record(context, [stream, customer], decide)


async def consume_credits(command: ConsumeCredits, context: Context, store: EventStore) -> Receipt:
    """Answers {entry_id, amount, portions} and how the wallet then stands. Raises `InsufficientCredits`, `WalletFrozen`."""
    stream = command.account.stream
    entry = _entry_id(context)

    def decide(states: States) -> Decided:
        wallet = states[stream]
        facts = consume(
            wallet,
            credit_type=command.account.credit_type,
            amount=command.amount,
            entry_id=entry,
            reference=command.reference,
            now=context.now,
        )
        answer = {
            "entry_id": entry,
            "amount": command.amount,
            "portions": _traced(wallet, _one(facts, CreditsConsumed).portions),
        }
        return Decided([stream.facts(*facts)], {**answer, **_standing(facts)})

    return await store.record(context, [stream], decide)


async def hold_credits(command: HoldCredits, context: Context, store: EventStore) -> Receipt:
    """Answers {hold_id, amount, expires_at, portions} and how the wallet then stands. Raises as `holds.hold` does."""
    stream = command.account.stream
    hold_id = holds.hold_id(stream.id, str(context.command_id))

    def decide(states: States) -> Decided:
        wallet = states[stream]
        facts = holds.hold(
            wallet,
            credit_type=command.account.credit_type,
            hold_id=hold_id,
            amount=command.amount,
            expires_at=command.expires_at,
            reference=command.reference,
            now=context.now,
        )
        answer = {
            "hold_id": hold_id,
            "amount": command.amount,
            "expires_at": _text(command.expires_at),
            "portions": _traced(wallet, _one(facts, CreditsHeld).portions),
        }
        return Decided([stream.facts(*facts)], {**answer, **_standing(facts)})

    return await store.record(context, [stream], decide)


async def capture_hold(command: CaptureHold, context: Context, store: EventStore) -> Receipt:
    """Answers {hold_id, captured, released, portions} and how the wallet then stands.

    Raises `HoldUnknown`, `HoldNotOpen`, `CaptureExceedsHold`, `WalletFrozen`.
    """
    stream = WALLETS.at(holds.wallet_id_of(command.hold_id))

    def decide(states: States) -> Decided:
        wallet = _of_project(states[stream], command.project_id, command.hold_id)
        facts = holds.capture(wallet, hold_id=command.hold_id, amount=command.amount, now=context.now)
        ended = [fact for fact in facts if getattr(fact, "hold_id", None) == command.hold_id]
        answer = {
            "hold_id": command.hold_id,
            **_ending(ended),
            "portions": _traced(wallet, _one(ended, CreditsHoldCaptured).portions),
        }
        return Decided([stream.facts(*facts)], {**answer, **_standing(facts)})

    return await store.record(context, [stream], decide)


async def release_hold(command: ReleaseHold, context: Context, store: EventStore) -> Receipt:
    """Answers {hold_id, captured, released} and how the wallet then stands. Raises `HoldUnknown`, `HoldNotOpen`."""
    stream = WALLETS.at(holds.wallet_id_of(command.hold_id))

    def decide(states: States) -> Decided:
        wallet = _of_project(states[stream], command.project_id, command.hold_id)
        facts = holds.release(wallet, hold_id=command.hold_id, now=context.now)
        ended = [fact for fact in facts if getattr(fact, "hold_id", None) == command.hold_id]
        answer = {"hold_id": command.hold_id, **_ending(ended)}
        return Decided([stream.facts(*facts)], {**answer, **_standing(facts)})

    return await store.record(context, [stream], decide)


async def expire_due(now: datetime, actor: str, store: EventStore, limit: int = 1_000) -> Mapping[str, int]:
    """Record what time alone has ended: grants and holds whose time has come. Returns how many wallets ended how."""
    outcomes: dict[str, int] = {}
    due = sorted(await store.due(WALLETS.topic, now, limit), key=lambda deadline: deadline.stream_id)
    for _, of_wallet in groupby(due, key=lambda deadline: deadline.stream_id):
        outcome = await _expire(list(of_wallet), now, actor, store)
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    return outcomes


async def _expire(deadlines: Sequence[Deadline], now: datetime, actor: str, store: EventStore) -> str:
    """Never raises for one wallet's sake, nor stays before the others: one that fails is looked at again later."""
    stream = WALLETS.at(deadlines[0].stream_id)
    try:
        wallet = await store.load(stream)
        is_due = wallet is not None and bool(expire(wallet, now))
        if is_due:
            await _record_expiry(stream, deadlines[-1], now, actor, store)
    except StoreUnavailable:
        raise
    except Exception:
        log.exception("credits_not_expired", wallet_id=stream.id)
        await store.put_off(deadlines, now + LOOK_AGAIN_AFTER)
        return "failed"
    await store.met(deadlines)
    return "expired" if is_due else "nothing_due"


async def _record_expiry(stream: Wallets, deadline: Deadline, now: datetime, actor: str, store: EventStore) -> None:
    command_id = uuid5(_NAMESPACE, f"{stream.id}/{times.to_text(deadline.due_at)}")
    context = Context(
        command_id=command_id,
        fingerprint=sha256(command_id.bytes).digest(),
        project_id=deadline.project_id,
        actor=actor,
        request_id=f"expiry-{command_id.hex}",
        causation_id=str(command_id),
        now=now,
    )

    def decide(states: States) -> Decided:
        wallet = states[stream]
        assert wallet is not None, "only a fact sets a deadline"
        return Decided([stream.facts(*expire(wallet, now))], {})

    await store.record(context, [stream], decide)


def _entry_id(context: Context) -> str:
    """The id of the one entry that a command makes: it derives from the command's, for the same command is one entry."""
    return f"ent_{context.command_id.hex}"


def _of_project(wallet: Wallet | None, project_id: str, hold_id: str) -> Wallet:
    """The hold's wallet, if it is this project's. To anybody else the hold does not exist."""
    if wallet is None or wallet.wallet_id != wallet_id(project_id, wallet.user_id, wallet.credit_type):
        raise HoldUnknown(hold_id)
    return wallet


def _standing(facts: Sequence[WalletEvent]) -> dict[str, Any]:
    """How the wallet stands after these facts."""
    last = facts[-1]
    return {
        "user_id": last.user_id,
        "credit_type": last.credit_type,
        "balance": last.balance,
        "held": last.held,
        "available": max(0, last.balance - last.held),
    }


def _ending(facts: Sequence[WalletEvent]) -> dict[str, int]:
    """How much of a hold was spent, and how much became free: told by the facts that end it."""
    return {
        "captured": sum(fact.amount for fact in facts if isinstance(fact, CreditsHoldCaptured)),
        "released": sum(fact.amount for fact in facts if isinstance(fact, CreditsHoldReleased)),
    }


def _traced(wallet: Wallet | None, portions: Sequence[Portion]) -> list[dict[str, Any]]:
    """Portions, each with the payment that paid for it, where one did."""
    return [
        {
            "entry_id": portion.entry_id,
            "payment_id": known.payment_id if wallet and (known := wallet.grant(portion.entry_id)) else None,
            "amount": portion.amount,
            "remaining": portion.remaining,
        }
        for portion in portions
    ]


def _one(facts: Sequence[WalletEvent], kind: type[Fact]) -> Fact:
    """The one fact of this kind among those of a decision."""
    (fact,) = (fact for fact in facts if isinstance(fact, kind))
    return fact


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else times.to_text(moment)
