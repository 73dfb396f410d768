"""Projects, their products and keys, as they are sent and shown."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.models.fields import (
    CreditType,
    Currency,
    Domain,
    Permission,
    PriceId,
    ProductId,
    QueryModel,
    Reason,
    RequestModel,
    Text,
    Url,
)
from domain.project.events import GRACE_PERIOD_DAYS
from domain.wallet import Clawback

ProductTypeName = Literal[
    "one_time", "subscription", "api_credits", "download_credits", "premium_access", "pro_features", "metered"
]
PaymentTypes = Annotated[list[Literal["one_time", "subscription", "both"]], Field(min_length=1, max_length=2)]
GracePeriodDays = Annotated[
    int,
    Field(
        ge=0,
        le=90,
        description="How many days customers keep access after what they paid for, while a renewal's payment fails.",
    ),
]
Features = Annotated[list[Literal["credits", "metered", "permissions"]], Field(max_length=3)]

ClawbackName = Literal["remaining_only", "allow_debt"]
assert {policy.value for policy in Clawback} == set(ClawbackName.__args__)  # type: ignore[attr-defined]
_CLAWBACK = Field(
    description="What happens to credits that were spent when their money goes back: with `remaining_only` only what is left"
    " of them is taken back, with `allow_debt` all are, and what is missing is owed."
)


class ProductRequest(RequestModel):
    """One thing to sell. Its price stands at the payment gateway and is read from there."""

    id: ProductId
    name: Text
    type: ProductTypeName = "one_time"
    price_id: PriceId
    recurring: Annotated[
        bool | None, Field(description="Whether it is paid every period; left out, it follows the price.")
    ] = None
    credits: Annotated[int, Field(ge=0, le=1_000_000_000, description="Credits granted per unit bought.")] = 0
    credit_type: CreditType = ""
    permissions: Annotated[list[Permission], Field(max_length=50, default_factory=list)]


class ProjectRequest(RequestModel):
    """A project that joins."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "Book Shop",
                    "domain": "shop.example.com",
                    "default_currency": "usd",
                    "products": [
                        {"id": "ebook", "name": "The E-Book", "type": "one_time", "price_id": "price_ebook"},
                        {
                            "id": "credits-1000",
                            "name": "1,000 credits",
                            "type": "api_credits",
                            "price_id": "price_credits_1000",
                            "credits": 1000,
                            "credit_type": "api",
                        },
                    ],
                    "success_url": "https://shop.example.com/thanks",
                    "cancel_url": "https://shop.example.com/basket",
                }
            ]
        }
    )

    name: Text
    domain: Annotated[Domain, Field(description="The host of the project's pages; publishable keys work from there.")]
    default_currency: Currency
    products: Annotated[list[ProductRequest], Field(max_length=100, default_factory=list)]
    payment_types: Annotated[PaymentTypes | None, Field(description="Instead of what the products say.")] = None
    features: Annotated[Features | None, Field(description="Instead of what the products say.")] = None
    clawback: Annotated[ClawbackName, _CLAWBACK] = "remaining_only"
    grace_period_days: GracePeriodDays = GRACE_PERIOD_DAYS
    success_url: Annotated[Url | None, Field(description="Where customers go after paying, unless a payment says.")] = (
        None
    )
    cancel_url: Url | None = None
    webhook_url: Url | None = None


class ProjectChangeRequest(RequestModel):
    """What is to change; what is left out stays as it is."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "The Book Shop"}]})

    name: Text | None = None
    domain: Domain | None = None
    default_currency: Currency | None = None
    clawback: Annotated[ClawbackName | None, _CLAWBACK] = None
    grace_period_days: GracePeriodDays | None = None
    success_url: Url | None = None
    cancel_url: Url | None = None
    webhook_url: Url | None = None


class KeyRequest(RequestModel):
    """One more key. The older ones stay in force until they are revoked."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"kind": "secret"}]})

    kind: Literal["secret", "publishable"]


class KeyRevocationQuery(QueryModel):
    reason: Reason = "revoked through the API"


class ProductAnswer(BaseModel):
    id: str
    name: str
    type: ProductTypeName
    price_id: str
    amount: Annotated[int, Field(description="Per unit, in minor units, as the gateway states it.")]
    currency: str
    interval: Annotated[str | None, Field(description="day, week, month or year; null for what is paid once.")]
    interval_count: Annotated[int, Field(description="Paid every so many intervals: a quarterly price every 3 months.")]
    trial_days: Annotated[int, Field(description="Days at the start for which nothing is charged.")]
    recurring: bool
    credits: int
    credit_type: str
    permissions: list[str]


class KeyAnswer(BaseModel):
    """A key in force. `hint` is its last characters: the key itself is shown once, when it is issued."""

    key_id: str
    kind: Literal["secret", "publishable"]
    hint: str


class ProjectAnswer(BaseModel):
    project_id: str
    name: str
    domain: str
    default_currency: str
    payment_types: list[str]
    features: list[str]
    overridden: Annotated[list[str], Field(description="What was stated instead of detected from the products.")]
    clawback: ClawbackName
    grace_period_days: int
    products: list[ProductAnswer]
    keys: list[KeyAnswer]


class ProjectShown(ProjectAnswer):
    """A project with its addresses, for those who may see them."""

    success_url: str | None
    cancel_url: str | None
    webhook_url: str | None


class ProjectRegisteredAnswer(ProjectAnswer):
    """The secrets stand here and nowhere else: the same request within 24 hours shows them again, nothing does later."""

    secret_key: str | None = None
    publishable_key: str | None = None
    webhook_secret: str | None = None
    environment_variables: dict[str, Any]


class KeyIssuedAnswer(KeyAnswer):
    """`key` is shown for 24 hours to the same request, and never again."""

    key: str | None = None


class KeyRevokedAnswer(BaseModel):
    key_id: str
    revoked: bool
