"""Facts of a wallet. Stored for ever and published to Kafka: add fields, never rename them.

`balance` and `held` are what the wallet holds, and what of it is set aside, once the fact has happened.
"""

from dataclasses import dataclass
from datetime import datetime

DEFAULT_PRIORITY = 100  # Lower numbers are spent first.


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """A part of one grant: `amount` of what the entry `entry_id` brought.

    `remaining` is what is then left of that grant, held credits included.
    """

    entry_id: str
    amount: int
    remaining: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditsPurchased:
    """Credits were bought and paid for. Of them, `paid_debt` went into what the wallet owed."""

    wallet_id: str
    user_id: str
    credit_type: str
    entry_id: str
    amount: int
    balance: int
    payment_id: str
    product_id: str
    held: int = 0
    priority: int = DEFAULT_PRIORITY
    expires_at: datetime | None = None
    paid_debt: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditsGranted:
    """Credits were given: by the project, or by an invoice of a subscription.

    Of them, `paid_debt` went into what the wallet owed.
    """

    wallet_id: str
    user_id: str
    credit_type: str
    entry_id: str
    amount: int
    balance: int
    held: int
    reason: str
    priority: int
    expires_at: datetime | None
    paid_debt: int
    payment_id: str | None = None
    subscription_id: str | None = None
    invoice_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditsConsumed:
    """Credits were spent. `portions` say which grants they came from, in burn order."""

    wallet_id: str
    user_id: str
    credit_type: str
    entry_id: str
    amount: int
    balance: int
    held: int
    reference: str | None
    portions: tuple[Portion, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditsHeld:
    """Credits were set aside for something under way, until it is captured or released, or `expires_at` has come."""

    wallet_id: str
    user_id: str
    credit_type: str
    entry_id: str
    hold_id: str
    amount: int
    balance: int
    held: int
    expires_at: datetime
    reference: str | None
    portions: tuple[Portion, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditsHoldCaptured:
    """Held credits were spent. Where that is less than was held, the rest is released by a fact of its own right after."""

    wallet_id: str
    user_id: str
    credit_type: str
    entry_id: str
    hold_id: str
    amount: int
    balance: int
    held: int
    portions: tuple[Portion, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditsHoldReleased:
    """Held credits can be spent again. `reason`: `requested`, `captured` (for less than was held) or `expired`.

    Of them, `paid_debt` went into what the wallet owed.
    """

    wallet_id: str
    user_id: str
    credit_type: str
    entry_id: str
    hold_id: str
    amount: int
    balance: int
    held: int
    reason: str
    paid_debt: int
    portions: tuple[Portion, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditsExpired:
    """The time of a grant has come: what nobody spent or held of it is gone."""

    wallet_id: str
    user_id: str
    credit_type: str
    entry_id: str
    amount: int
    balance: int
    held: int
    portions: tuple[Portion, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditsRevoked:
    """Credits that the entry `grant_entry_id` brought were taken back, for its money went back.

    `amount` were taken: `portions` from what was there, `new_debt` the wallet owes. `shortfall` was asked for beyond that.
    """

    wallet_id: str
    user_id: str
    credit_type: str
    entry_id: str
    revocation_id: str
    grant_entry_id: str
    policy: str
    reason: str
    amount: int
    shortfall: int
    new_debt: int
    balance: int
    held: int
    portions: tuple[Portion, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditsRestored:
    """A revocation was taken back: `portions` are in their grants again, and `paid_debt` is owed no more."""

    wallet_id: str
    user_id: str
    credit_type: str
    entry_id: str
    revocation_id: str
    grant_entry_id: str
    reason: str
    amount: int
    paid_debt: int
    balance: int
    held: int
    portions: tuple[Portion, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditsFrozen:
    """Nothing can be spent, held or captured any more, until every freeze in `freezes` is lifted. No credits move."""

    wallet_id: str
    user_id: str
    credit_type: str
    entry_id: str
    freeze_id: str
    reason: str
    amount: int
    balance: int
    held: int
    freezes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditsUnfrozen:
    """One freeze was lifted. Those in `freezes` still stand; where there are none, credits can be spent again."""

    wallet_id: str
    user_id: str
    credit_type: str
    entry_id: str
    freeze_id: str
    amount: int
    balance: int
    held: int
    freezes: tuple[str, ...]


WalletEvent = (
    CreditsPurchased
    | CreditsGranted
    | CreditsConsumed
    | CreditsHeld
    | CreditsHoldCaptured
    | CreditsHoldReleased
    | CreditsExpired
    | CreditsRevoked
    | CreditsRestored
    | CreditsFrozen
    | CreditsUnfrozen
)
