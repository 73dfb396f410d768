"""Credits, as they are given, spent, held and shown."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from api.models.fields import CursorText, FutureMoment, Limit, QueryModel, Reason, RequestModel, UserId
from domain.wallet import DEFAULT_PRIORITY
from domain.wallet.holds import LONGEST_HOLD
from schemas.names import EVENTS

EntryKind = Literal[
    "purchased",
    "granted",
    "consumed",
    "held",
    "hold_captured",
    "hold_released",
    "expired",
    "revoked",
    "restored",
    "frozen",
    "unfrozen",
]
assert {name.removeprefix("credits.") for name in EVENTS if name.startswith("credits.")} == set(EntryKind.__args__)  # type: ignore[attr-defined]

HELD_FOR_SECONDS = 24 * 60 * 60  # where a caller does not say for how long

CreditType = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,49}$"),
    Field(description="Which credits, as your products name them."),
]
Amount = Annotated[int, Field(ge=1, le=1_000_000_000_000, description="How many credits: a whole number.")]
Reference = Annotated[Reason, Field(description="Your own word for what it is for; nothing that names a person.")]


class _OfCustomer(RequestModel):
    user_id: Annotated[UserId, Field(description="Your own id of the customer: opaque, nothing that names a person.")]
    credit_type: CreditType
    amount: Amount


class GrantRequest(_OfCustomer):
    """Credits to give. Those of a lower `priority` are spent first; of the same, those that expire earlier; then the older."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"user_id": "user-42", "credit_type": "api", "amount": 100, "reason": "welcome"}]
        }
    )

    reason: Annotated[Reason, Field(description="Why; nothing that names a person.")]
    priority: Annotated[int, Field(ge=0, le=1_000)] = DEFAULT_PRIORITY
    expires_at: Annotated[
        FutureMoment | None, Field(description="When what is left of them is gone. Left out: never.")
    ] = None


class ConsumeRequest(_OfCustomer):
    """Credits to spend."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"user_id": "user-42", "credit_type": "api", "amount": 3, "reference": "report-7"}]
        }
    )

    reference: Reference | None = None


class HoldRequest(_OfCustomer):
    """Credits to set aside. Send one of `expires_in` and `expires_at`, or neither: then they are held for 24 hours."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "user_id": "user-42",
                    "credit_type": "api",
                    "amount": 50,
                    "reference": "render-7",
                    "expires_in": 3600,
                }
            ]
        }
    )

    reference: Reference | None = None
    expires_in: Annotated[
        int | None, Field(ge=1, le=int(LONGEST_HOLD.total_seconds()), description="Seconds from now.")
    ] = None
    expires_at: FutureMoment | None = None

    @model_validator(mode="after")
    def _ends_once(self) -> "HoldRequest":
        if self.expires_in is not None and self.expires_at is not None:
            raise PydanticCustomError("expiry_twice", "Send either `expires_in` or `expires_at`, and not both.")
        return self


class CaptureRequest(RequestModel):
    """How much of a hold to spend. The rest is free again."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"amount": 42}]})

    amount: Annotated[Amount | None, Field(description="Left out: all that is held.")] = None


class ReleaseRequest(RequestModel):
    """Nothing to say: all that is held is free again."""


class EntriesQuery(QueryModel):
    credit_type: CreditType | None = None
    limit: Limit = 20
    cursor: CursorText | None = None


class PortionAnswer(BaseModel):
    """A part of one grant: `payment_id` is the payment that paid for it; null where the grant was given."""

    entry_id: str
    payment_id: str | None
    amount: int
    remaining: Annotated[int, Field(description="What was left of that grant afterwards, held credits included.")]


class StandingAnswer(BaseModel):
    """How the customer's credits of this type stand afterwards."""

    user_id: str
    credit_type: str
    balance: int
    held: int
    available: Annotated[int, Field(description="What can be spent now: never below zero.")]


class GrantedAnswer(StandingAnswer):
    entry_id: str
    amount: int
    priority: int
    expires_at: datetime | None


class ConsumedAnswer(StandingAnswer):
    entry_id: str
    amount: int
    portions: Annotated[list[PortionAnswer], Field(description="Which grants were spent, in this order.")]


class HeldAnswer(StandingAnswer):
    hold_id: str
    amount: int
    expires_at: datetime
    portions: list[PortionAnswer]


class ReleasedAnswer(StandingAnswer):
    hold_id: str
    captured: Annotated[int, Field(description="How much of the hold was spent.")]
    released: Annotated[int, Field(description="How much of it is free again.")]


class CapturedAnswer(ReleasedAnswer):
    portions: list[PortionAnswer]


class BalanceAnswer(BaseModel):
    credit_type: str
    balance: Annotated[
        int, Field(description="Below zero only where credits were taken back that had been spent before.")
    ]
    held: Annotated[int, Field(description="Set aside for what is not done yet.")]
    available: Annotated[int, Field(description="What can be spent now: never below zero.")]
    next_expiry: Annotated[datetime | None, Field(description="When something of it expires next.")]
    frozen: Annotated[bool, Field(description="While it is, nothing can be spent.")]


class CreditsAnswer(BaseModel):
    user_id: str
    balances: list[BalanceAnswer]


class EntryAnswer(BaseModel):
    """One entry of the ledger, with the balance after it. What does not apply to its kind is null."""

    entry_id: str
    credit_type: str
    kind: EntryKind
    amount: int
    balance: int
    held: int
    portions: Annotated[list[PortionAnswer], Field(description="Which grants the credits are of.")]
    recorded_at: datetime
    reference: str | None = None
    reason: str | None = None
    payment_id: str | None = None
    product_id: str | None = None
    subscription_id: str | None = None
    invoice_id: str | None = None
    priority: int | None = None
    expires_at: datetime | None = None
    hold_id: str | None = None
    freeze_id: str | None = None
    revocation_id: Annotated[str | None, Field(description="What took the credits back, such as a refund.")] = None
    grant_entry_id: Annotated[str | None, Field(description="The entry whose credits were taken back.")] = None
    policy: Annotated[str | None, Field(description="What the project wants of credits that were spent before.")] = None
    shortfall: Annotated[int | None, Field(description="How many more should have been taken back.")] = None
    new_debt: Annotated[int | None, Field(description="How many of them were not there, and are owed.")] = None
    paid_debt: Annotated[int | None, Field(description="How many of them went into what was owed.")] = None


class EntryPage(BaseModel):
    """Newest first. `next_cursor` is null on the last page."""

    user_id: str
    entries: list[EntryAnswer]
    next_cursor: str | None


class CreditTotalAnswer(BaseModel):
    credit_type: str
    balance: int
    held: int
    available: Annotated[int, Field(description="What customers can spend: a debt of one lessens no other's.")]
    wallets: Annotated[int, Field(description="Customers who have credits of this type.")]


class ProjectCreditsAnswer(BaseModel):
    project_id: str
    balances: list[CreditTotalAnswer]
