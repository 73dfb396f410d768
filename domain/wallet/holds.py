"""Credits set aside for something under way, then spent or free again."""

from datetime import datetime, timedelta

from domain.wallet.errors import CaptureExceedsHold, ExpiryInThePast, HoldNotOpen, HoldTooLong, TooManyHolds
from domain.wallet.events import CreditsHeld, CreditsHoldCaptured, Portion, WalletEvent
from domain.wallet.expiry import brought_up_to
from domain.wallet.freezing import check_not_frozen
from domain.wallet.portions import first, released, taken
from domain.wallet.spending import spendable
from domain.wallet.state import Hold, Wallet, entry_id, evolve

MOST_OPEN_HOLDS = 10_000
LONGEST_HOLD = timedelta(days=31)


def hold_id(wallet_id: str, cause: str) -> str:
    """The id of a hold, which says where it stands: `hold_`, its wallet's 32 hexadecimal digits, `_`, and 32 of its own."""
    return f"hold_{wallet_id.removeprefix('wal_')}_{entry_id(wallet_id, cause).removeprefix('ent_')}"


def wallet_id_of(hold_id: str) -> str:
    """The wallet that a hold's id names."""
    return f"wal_{hold_id.split('_')[1]}"


def hold(
    wallet: Wallet | None,
    *,
    credit_type: str,
    hold_id: str,
    amount: int,
    expires_at: datetime,
    reference: str | None,
    now: datetime,
) -> list[WalletEvent]:
    """Set credits aside, in burn order: nobody else can spend them until then.

    Held credits do not expire with their grant. Raises `InsufficientCredits`, `WalletFrozen`, and what is wrong with the time.
    """
    if expires_at <= now:
        raise ExpiryInThePast(expires_at)
    if expires_at > now + LONGEST_HOLD:
        raise HoldTooLong(LONGEST_HOLD.days)
    due, wallet = spendable(wallet, credit_type, amount, now)
    if len(wallet.holds) >= MOST_OPEN_HOLDS:
        raise TooManyHolds(MOST_OPEN_HOLDS)
    return [
        *due,
        CreditsHeld(
            wallet_id=wallet.wallet_id,
            user_id=wallet.user_id,
            credit_type=wallet.credit_type,
            entry_id=entry_id(hold_id, "held"),
            hold_id=hold_id,
            amount=amount,
            balance=wallet.balance,
            held=wallet.held + amount,
            expires_at=expires_at,
            reference=reference,
            portions=_set_aside(taken(wallet.grants, amount)),
        ),
    ]


def capture(wallet: Wallet, *, hold_id: str, amount: int | None, now: datetime) -> list[WalletEvent]:
    """Spend held credits: so many of them (default: all), and the rest is released.

    Raises `HoldNotOpen`, `CaptureExceedsHold`, `WalletFrozen`.
    """
    due, wallet = brought_up_to(wallet, now)
    open_hold = _open(wallet, hold_id)
    check_not_frozen(wallet)
    captured = open_hold.amount if amount is None else amount
    if captured > open_hold.amount:
        raise CaptureExceedsHold(captured, open_hold.amount)
    fact = _captured(wallet, open_hold, captured)
    wallet = evolve(wallet, fact)
    return [*due, fact, *_rest(wallet, hold_id, "captured", now)]


def release(wallet: Wallet, *, hold_id: str, now: datetime) -> list[WalletEvent]:
    """Let held credits be free again. Raises `HoldNotOpen`."""
    due, wallet = brought_up_to(wallet, now)
    _open(wallet, hold_id)
    return [*due, *_rest(wallet, hold_id, "requested", now)]


def _open(wallet: Wallet, hold_id: str) -> Hold:
    if hold_id not in wallet.holds:
        endings = (ended.ending for ended in reversed(wallet.ended_holds) if ended.hold_id == hold_id)
        raise HoldNotOpen(hold_id, next(endings, None))
    return wallet.holds[hold_id]


def _captured(wallet: Wallet, hold: Hold, amount: int) -> CreditsHoldCaptured:
    grants = {grant.entry_id: grant for grant in wallet.grants}
    portions = tuple(
        Portion(
            entry_id=portion.entry_id,
            amount=portion.amount,
            remaining=grants[portion.entry_id].remaining - portion.amount,
        )
        for portion in first(hold.portions, amount)
    )
    return CreditsHoldCaptured(
        wallet_id=wallet.wallet_id,
        user_id=wallet.user_id,
        credit_type=wallet.credit_type,
        entry_id=entry_id(hold.hold_id, "captured"),
        hold_id=hold.hold_id,
        amount=amount,
        balance=wallet.balance - amount,
        held=wallet.held - amount,
        portions=portions,
    )


def _rest(wallet: Wallet, hold_id: str, reason: str, now: datetime) -> list[WalletEvent]:
    """What is still held becomes free; what of it has expired meanwhile then goes."""
    if hold_id not in wallet.holds:
        return []
    fact = released(wallet, wallet.holds[hold_id], reason)
    due, _ = brought_up_to(evolve(wallet, fact), now)
    return [fact, *due]


def _set_aside(portions: tuple[Portion, ...]) -> tuple[Portion, ...]:
    """Portions that stay where they are: their grants have as much left as before."""
    return tuple(
        Portion(entry_id=portion.entry_id, amount=portion.amount, remaining=portion.remaining + portion.amount)
        for portion in portions
    )
