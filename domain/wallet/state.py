"""A wallet as its facts have made it: no more of the past than decisions need."""

from bisect import bisect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import NamedTuple, TypeVar, assert_never
from uuid import UUID

from domain.derived import digits
from domain.streams import Kind
from domain.wallet.events import (
    DEFAULT_PRIORITY,
    CreditsConsumed,
    CreditsExpired,
    CreditsFrozen,
    CreditsGranted,
    CreditsHeld,
    CreditsHoldCaptured,
    CreditsHoldReleased,
    CreditsPurchased,
    CreditsRestored,
    CreditsRevoked,
    CreditsUnfrozen,
    Portion,
    WalletEvent,
)

T = TypeVar("T")

_NAMESPACE = UUID("0b6c1c57-8a0b-5a0e-b9d5-6d7a4f1c2e90")
_NEVER = datetime.max.replace(tzinfo=UTC)

# What has ended is remembered for so long: enough to refuse it with its reason, little enough to be loaded a million times.
SPENT_GRANTS_KEPT = 1_000
REVOCATIONS_KEPT = 1_000
ENDED_HOLDS_KEPT = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Credits that came in at once. `remaining` is what is left of them, `held` what of that is set aside."""

    entry_id: str
    number: int  # The how-manieth of its wallet: of two that burn alike, the earlier goes first.
    amount: int
    remaining: int
    priority: int
    expires_at: datetime | None
    payment_id: str | None
    held: int = 0
    revoked: int = 0  # how much of it is taken back, as things stand

    @property
    def free(self) -> int:
        return self.remaining - self.held

    @property
    def burn_order(self) -> tuple[int, datetime, int, str]:
        return (self.priority, self.expires_at or _NEVER, self.number, self.entry_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Credits set aside, and of which grants they are."""

    hold_id: str
    amount: int
    expires_at: datetime
    portions: tuple[Portion, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """What a revocation took: `portions` of what was there, and the rest as a debt."""

    grant_entry_id: str
    amount: int
    portions: tuple[Portion, ...]
    restored: bool = False


class EndedHold(NamedTuple):
    hold_id: str
    ending: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wallet:
    """`grants` has those of which something is left, in burn order. The balance is what is left of all, less the debt.

    While there is a debt, nothing is free: whatever becomes free pays it first.
    """

    wallet_id: str
    user_id: str
    credit_type: str
    balance: int = 0
    held: int = 0
    debt: int = 0
    grants: tuple[Grant, ...] = ()
    granted: int = 0
    spent: Mapping[str, Grant] = field(default_factory=dict)
    holds: Mapping[str, Hold] = field(default_factory=dict)
    next_hold_expiry: datetime | None = None
    ended_holds: tuple[EndedHold, ...] = ()
    revocations: Mapping[str, Revocation] = field(default_factory=dict)
    freezes: Mapping[str, str] = field(default_factory=dict)

    @property
    def available(self) -> int:
        """What can be spent or held now, unless the wallet is frozen. Never below zero."""
        return max(0, self.balance - self.held)

    def grant(self, entry_id: str) -> Grant | None:
        """The grant of this entry; None where there never was one, or it was spent long ago."""
        for grant in self.grants:
            if grant.entry_id == entry_id:
                return grant
        return self.spent.get(entry_id)


def wallet_id(project_id: str, user_id: str, credit_type: str) -> str:
    """One wallet per project, user and credit type: `wal_` and 32 hexadecimal digits."""
    return f"wal_{digits(_NAMESPACE, f'{project_id}/{credit_type}/{user_id}')}"


def entry_id(*causes: str) -> str:
    """The id of an entry, derived from what caused it: `ent_` and 32 hexadecimal digits."""
    return f"ent_{digits(_NAMESPACE, '/'.join(causes))}"


def evolve(wallet: Wallet | None, event: WalletEvent) -> Wallet:
    """Apply one fact. Never refuses: what happened, happened."""
    if wallet is None:
        wallet = Wallet(wallet_id=event.wallet_id, user_id=event.user_id, credit_type=event.credit_type)
    match event:
        case CreditsConsumed() | CreditsExpired():
            return _with_portions(wallet, event)
        case CreditsPurchased() | CreditsGranted():
            return _granted(wallet, event)
        case CreditsHeld():
            return _held(wallet, event)
        case CreditsHoldCaptured():
            return _hold_lessened(_with_portions(wallet, event, of_held=-1), event, "captured")
        case CreditsHoldReleased():
            moved = _with_portions(wallet, event, of_held=-1)
            return _hold_lessened(replace(moved, debt=wallet.debt - event.paid_debt), event, event.reason)
        case CreditsRevoked():
            return _revoked(wallet, event)
        case CreditsRestored():
            return _restored(wallet, event)
        case CreditsFrozen():
            return replace(wallet, freezes={**wallet.freezes, event.freeze_id: event.reason})
        case CreditsUnfrozen():
            standing = {freeze_id: why for freeze_id, why in wallet.freezes.items() if freeze_id != event.freeze_id}
            return replace(wallet, freezes=standing)
        case _:
            assert_never(event)


def _granted(wallet: Wallet, event: CreditsPurchased | CreditsGranted) -> Wallet:
    grant = Grant(
        entry_id=event.entry_id,
        number=wallet.granted,
        amount=event.amount,
        remaining=event.amount - event.paid_debt,
        priority=event.priority,
        expires_at=event.expires_at,
        payment_id=event.payment_id,
    )
    place = len(wallet.grants)
    if place and grant.burn_order < wallet.grants[-1].burn_order:
        place = bisect(wallet.grants, grant.burn_order, key=lambda other: other.burn_order)
    all_went_into_debt = {} if grant.remaining else {grant.entry_id: grant}
    return replace(
        wallet,
        balance=event.balance,
        debt=wallet.debt - event.paid_debt,
        granted=wallet.granted + 1,
        grants=(*wallet.grants[:place], grant, *wallet.grants[place:]) if grant.remaining else wallet.grants,
        spent=_latest(wallet.spent, all_went_into_debt, SPENT_GRANTS_KEPT),
    )


Moving = CreditsConsumed | CreditsExpired | CreditsHeld | CreditsHoldCaptured | CreditsHoldReleased | CreditsRevoked


def _with_portions(wallet: Wallet, event: Moving, *, of_held: int = 0) -> Wallet:
    """The wallet once these portions have moved. `of_held`: 1 where they are held from now on, -1 where no longer."""
    left: list[Grant] = []
    spent: list[Grant] = []
    place = 0
    for portion in event.portions:  # In burn order, as the grants are: one walk finds them all, and mostly it is short.
        while wallet.grants[place].entry_id != portion.entry_id:
            left.append(wallet.grants[place])
            place += 1
        grant = replace(
            wallet.grants[place],
            remaining=portion.remaining,
            held=wallet.grants[place].held + of_held * portion.amount,
        )
        (left if grant.remaining else spent).append(grant)
        place += 1
    return replace(
        wallet,
        balance=event.balance,
        held=event.held,
        grants=(*left, *wallet.grants[place:]),
        spent=_latest(wallet.spent, {grant.entry_id: grant for grant in spent}, SPENT_GRANTS_KEPT),
    )


def _held(wallet: Wallet, event: CreditsHeld) -> Wallet:
    hold = Hold(hold_id=event.hold_id, amount=event.amount, expires_at=event.expires_at, portions=event.portions)
    first = event.expires_at if wallet.next_hold_expiry is None else min(wallet.next_hold_expiry, event.expires_at)
    return replace(
        _with_portions(wallet, event, of_held=1),
        holds={**wallet.holds, event.hold_id: hold},
        next_hold_expiry=first,
    )


def _hold_lessened(wallet: Wallet, event: CreditsHoldCaptured | CreditsHoldReleased, ending: str) -> Wallet:
    """The hold without these portions; once nothing is left of it, it has ended."""
    hold = wallet.holds[event.hold_id]
    if event.amount < hold.amount:
        lessened = replace(hold, amount=hold.amount - event.amount, portions=less(hold.portions, event.portions))
        return replace(wallet, holds={**wallet.holds, hold.hold_id: lessened})
    holds = dict(wallet.holds)
    del holds[hold.hold_id]
    first = wallet.next_hold_expiry
    if first == hold.expires_at:
        first = min((other.expires_at for other in holds.values()), default=None)
    ended = (*wallet.ended_holds, EndedHold(hold.hold_id, ending))[-ENDED_HOLDS_KEPT:]
    return replace(wallet, holds=holds, next_hold_expiry=first, ended_holds=ended)


def less(portions: Iterable[Portion], taken: Iterable[Portion]) -> tuple[Portion, ...]:
    """What is left of portions once others of the same grants are taken out."""
    gone = {portion.entry_id: portion.amount for portion in taken}
    parts = ((portion, portion.amount - gone.get(portion.entry_id, 0)) for portion in portions)
    return tuple(replace(portion, amount=amount) for portion, amount in parts if amount)


def _revoked(wallet: Wallet, event: CreditsRevoked) -> Wallet:
    revocation = Revocation(grant_entry_id=event.grant_entry_id, amount=event.amount, portions=event.portions)
    moved = _with_portions(wallet, event)
    return replace(
        _placed(moved, _marked(moved, event.grant_entry_id, event.amount)),
        debt=wallet.debt + event.new_debt,
        revocations=_latest(wallet.revocations, {event.revocation_id: revocation}, REVOCATIONS_KEPT),
    )


def _restored(wallet: Wallet, event: CreditsRestored) -> Wallet:
    returned = [_returned(wallet, portion) for portion in event.portions]
    paid = replace(wallet, balance=event.balance, debt=wallet.debt - event.paid_debt, granted=wallet.granted + 1)
    placed = _placed(paid, returned)
    revocation = wallet.revocations.get(event.revocation_id)
    ended = {} if revocation is None else {event.revocation_id: replace(revocation, restored=True)}
    return replace(
        _placed(placed, _marked(placed, event.grant_entry_id, -event.amount)),
        revocations={**wallet.revocations, **ended},
    )


def _returned(wallet: Wallet, portion: Portion) -> Grant:
    """The grant with what came back to it; a new one where the portion names none that is known."""
    grant = wallet.grant(portion.entry_id)
    if grant is not None:
        return replace(grant, remaining=portion.remaining)
    return Grant(
        entry_id=portion.entry_id,
        number=wallet.granted,
        amount=portion.amount,
        remaining=portion.remaining,
        priority=DEFAULT_PRIORITY,
        expires_at=None,
        payment_id=None,
    )


def _marked(wallet: Wallet, entry_id: str, revoked: int) -> Sequence[Grant]:
    """The grant with so much more of it taken back, if it is remembered."""
    grant = wallet.grant(entry_id)
    return [] if grant is None else [replace(grant, revoked=grant.revoked + revoked)]


def _placed(wallet: Wallet, grants: Sequence[Grant]) -> Wallet:
    """The wallet with these grants, new or as they now are, each in its place."""
    ids = {grant.entry_id for grant in grants}
    others = [grant for grant in wallet.grants if grant.entry_id not in ids]
    open_ones = [grant for grant in grants if grant.remaining]
    spent = {entry_id: grant for entry_id, grant in wallet.spent.items() if entry_id not in ids}
    return replace(
        wallet,
        grants=tuple(sorted([*others, *open_ones], key=lambda grant: grant.burn_order)),
        spent=_latest(spent, {grant.entry_id: grant for grant in grants if not grant.remaining}, SPENT_GRANTS_KEPT),
    )


def _latest(known: Mapping[str, T], new: Mapping[str, T], most: int) -> Mapping[str, T]:
    """Both together, without the oldest where there are too many."""
    if not new:
        return known
    together = {**known, **new}
    for key in list(together)[: max(0, len(together) - most)]:
        del together[key]
    return together


WALLETS: Kind[Wallet, WalletEvent] = Kind("credits", evolve)
