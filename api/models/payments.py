"""Payments, as they are asked for and shown."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from api.models.fields import (
    CursorText,
    Email,
    Limit,
    Metadata,
    Moment,
    PriceId,
    ProductId,
    QueryModel,
    Reason,
    RequestModel,
    Url,
    UserId,
    Wanted,
)
from domain.payment import Refunded, Status

PaymentType = Literal["one_time", "subscription"]
StatusName = Literal[
    "initiated", "unconfirmed", "checkout_opened", "processing", "canceled", "expired", "failed", "succeeded"
]
assert {status.value for status in Status} == set(StatusName.__args__)  # type: ignore[attr-defined]

RefundedName = Literal["none", "pending", "partial", "full"]
assert {part.value for part in Refunded} == set(RefundedName.__args__)  # type: ignore[attr-defined]


class PaymentRequest(RequestModel):
    """A payment to take, for a product of the project's catalogue or for a price of the gateway's."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "user_id": "user-42",
                    "email": "person@example.com",
                    "product_id": "ebook",
                    "success_url": "https://shop.example.com/thanks",
                }
            ]
        }
    )

    user_id: Annotated[UserId, Field(description="Your own id of the customer: opaque, nothing that names a person.")]
    email: Annotated[Email | None, Field(description="Kept sealed, and given to the payment gateway.")] = None
    product_id: ProductId | None = None
    price_id: PriceId | None = None
    quantity: Annotated[int, Field(ge=1, le=10_000)] = 1
    payment_type: Annotated[
        Literal["auto", "one_time", "subscription"], Field(description="`auto` follows the product.")
    ] = "auto"
    success_url: Annotated[
        Url | None, Field(description="`{CHECKOUT_SESSION_ID}` in it is filled in. Left out: the project's own.")
    ] = None
    cancel_url: Url | None = None
    metadata: Annotated[
        Metadata, Field(description="Comes back with the payment; nothing that names a person.", default_factory=dict)
    ]

    @model_validator(mode="after")
    def _names_one_thing(self) -> "PaymentRequest":
        if (self.product_id is None) == (self.price_id is None):
            raise PydanticCustomError("product_or_price", "Send either `product_id` or `price_id`, and not both.")
        return self


class CancelRequest(RequestModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "sold out"}]})

    reason: Reason = "canceled by the project"


class PaymentsQuery(QueryModel):
    """Which payments are wanted. `created_after` is taken in, `created_before` is not."""

    user_id: Wanted | None = None
    status: StatusName | None = None
    product_id: Wanted | None = None
    subscription_id: Wanted | None = None
    created_after: Moment | None = None
    created_before: Moment | None = None
    limit: Limit = 20
    cursor: CursorText | None = None


class PaymentStartedAnswer(BaseModel):
    """Send the customer to `checkout_url`. With status `unconfirmed` there is none yet: send the same request again."""

    payment_id: str
    checkout_session_id: str | None
    checkout_url: str | None
    payment_type: PaymentType
    status: StatusName


class PaymentCanceledAnswer(BaseModel):
    payment_id: str
    status: StatusName


class PaymentStatusAnswer(BaseModel):
    payment_id: str
    status: StatusName
    amount: Annotated[int, Field(description="In minor units: 2999 is 29.99 usd, and 500 is 500 jpy.")]
    currency: str
    payment_type: PaymentType
    project_id: str
    created_at: datetime
    metadata: dict[str, str]


class PaymentAnswer(PaymentStatusAnswer):
    user_id: str
    product_id: str
    credits: int
    credit_type: str
    subscription_id: Annotated[str | None, Field(description="What it began, or one of whose invoices it pays.")]
    checkout_session_id: str | None
    expires_at: datetime | None
    failure_code: Annotated[str | None, Field(description="Why it failed for good.")]
    decline_code: Annotated[str | None, Field(description="Why the last attempt on the open page was declined.")]
    amount_refunded: Annotated[int, Field(description="What has gone back in refunds, in minor units.")]
    amount_refund_pending: Annotated[int, Field(description="What is set aside for refunds under way.")]
    refunded: Annotated[RefundedName, Field(description="`pending`: nothing yet, but something is under way.")]
    disputed: Annotated[bool, Field(description="Whether its customer's bank contests it, or has taken it back.")]
    dispute_status: Annotated[
        str | None, Field(description="That of its most pressing dispute, in the gateway's words.")
    ]
    amount_lost: Annotated[int, Field(description="What went in disputes, in minor units.")]


class PaymentPage(BaseModel):
    """Newest first. `next_cursor` is null on the last page."""

    payments: list[PaymentAnswer]
    next_cursor: str | None
