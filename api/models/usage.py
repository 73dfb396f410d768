"""Metered usage, as it is sent and shown."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from api.models.fields import FutureMoment, ProductId, RequestModel, UserId
from api.models.places import UsageId

MOST = 1_000_000_000_000

Identifier = Annotated[
    UserId,
    StringConstraints(max_length=200),
    Field(
        description="Your own id of this use: the same is counted once, whenever it comes. Nothing that names a person."
    ),
]


class UsageRequest(RequestModel):
    """What a customer used of a metered product."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"user_id": "user-42", "product_id": "calls", "quantity": 250, "identifier": "job-7"}]
        }
    )

    user_id: Annotated[UserId, Field(description="Your own id of the customer: opaque, nothing that names a person.")]
    product_id: Annotated[
        ProductId, Field(description="A product of the type metered, to which the customer is subscribed.")
    ]
    quantity: Annotated[int, Field(ge=0, le=MOST, description="How many units were used: a whole number.")]
    used_at: Annotated[
        FutureMoment | None,
        Field(description="When, to the second: at most 35 days ago, and not in the future. Left out: now."),
    ] = None
    identifier: Identifier | None = None


class UsageAnswer(BaseModel):
    """One use. `recorded`: the gateway will be told of it; `reported`: it has counted it; `rejected`: it is not billed."""

    usage_id: UsageId
    user_id: str
    product_id: str
    subscription_id: Annotated[str, Field(description="What it is billed with.")]
    quantity: int
    used_at: datetime
    identifier: str | None
    status: Literal["recorded", "reported", "rejected"]
    failure_code: Annotated[str | None, Field(description="Why it was rejected.")]
    failure_reason: str | None
