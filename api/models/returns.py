"""Refunds, as they are asked for and shown, and disputes."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.models.fields import Metadata, Reason, RequestModel
from api.models.projects import ClawbackName
from domain.money import MAX_AMOUNT_MINOR
from domain.payment import DisputeStatus, RefundStatus

RefundStatusName = Literal["requested", "pending", "succeeded", "failed", "canceled"]
assert {status.value for status in RefundStatus} == set(RefundStatusName.__args__)  # type: ignore[attr-defined]

DisputeStatusName = Literal[
    "needs_response",
    "appeal_needs_response",
    "under_review",
    "appeal_under_review",
    "warning_needs_response",
    "warning_under_review",
    "lost",
    "won",
    "prevented",
    "warning_closed",
    "charge_refunded",
]
assert {status.value for status in DisputeStatus} == set(DisputeStatusName.__args__)  # type: ignore[attr-defined]


class RefundRequest(RequestModel):
    """Money to give back."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"amount": 999, "reason": "requested_by_customer"}]})

    amount: Annotated[
        int | None,
        Field(ge=1, le=MAX_AMOUNT_MINOR, description="In minor units. Left out: all that is left."),
    ] = None
    reason: Annotated[
        Reason | None,
        Field(
            description="The gateway acts upon `duplicate`, `fraudulent` and `requested_by_customer`; others are yours."
        ),
    ] = None
    metadata: Annotated[
        Metadata, Field(description="Kept with the refund; nothing that names a person.", default_factory=dict)
    ]


class RefundAnswer(BaseModel):
    """`credits_revoked` were taken back of what was bought; `credits_shortfall` should have been, and were spent."""

    payment_id: str
    refund_id: str
    gateway_refund_id: str | None
    status: Annotated[RefundStatusName, Field(description="`requested`: whether the gateway made it is not known yet.")]
    amount: int
    currency: str
    reason: str | None
    failure_code: str | None
    credits_revoked: int
    credits_shortfall: int
    clawback: Annotated[ClawbackName, Field(description="The policy by which credits were taken, or would be.")]
    amount_refunded: Annotated[int, Field(description="What has gone back of the payment, in all.")]
    amount_refundable: Annotated[int, Field(description="What is left of it to refund.")]


class RefundShown(BaseModel):
    refund_id: str
    gateway_refund_id: str | None
    status: RefundStatusName
    amount: int
    currency: str
    reason: str | None
    failure_code: str | None
    credits_revoked: int
    credits_shortfall: int
    clawback: Annotated[
        ClawbackName | None, Field(description="The policy by which credits were taken, while they are.")
    ]


class RefundsAnswer(BaseModel):
    """In the order in which they became known: asked for here, or made in the gateway's dashboard."""

    payment_id: str
    refunds: list[RefundShown]


class DisputeShown(BaseModel):
    """While it is open, the credits that the payment bought are frozen. It is answered at the gateway."""

    dispute_id: Annotated[str, Field(description="The gateway's id.")]
    status: DisputeStatusName
    amount: int
    currency: str
    reason: Annotated[str, Field(description="What the customer said to their bank: `fraudulent`, and others.")]
    refundable: Annotated[bool, Field(description="Whether refunding the payment may still end it.")]
    opened_at: datetime
    evidence_due_by: Annotated[datetime | None, Field(description="Until when the gateway takes evidence.")]
    credits_revoked: Annotated[int, Field(description="What was taken of the credits bought, where it was lost.")]
    credits_shortfall: Annotated[int, Field(description="What should have been taken, and was spent.")]


class DisputesAnswer(BaseModel):
    """In the order in which they became known."""

    payment_id: str
    disputes: list[DisputeShown]
