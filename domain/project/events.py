"""Facts of a project. Stored for ever and published to Kafka: add fields, never rename them."""

from dataclasses import dataclass

from domain.wallet import Clawback

GRACE_PERIOD_DAYS = 3  # where a project never said otherwise; facts from before it could say so mean this


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectRegistered:
    """A project joined. `overridden` names what was stated instead of detected (`payment_types`, `features`).

    `clawback` says what happens to spent credits whose money goes back.
    """

    project_id: str
    name: str
    domain: str
    default_currency: str
    payment_types: tuple[str, ...]
    features: tuple[str, ...]
    overridden: tuple[str, ...] = ()
    clawback: str = Clawback.REMAINING_ONLY.value
    grace_period_days: int = GRACE_PERIOD_DAYS


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectUpdated:
    """A project's settings are now these. `changed` names what differs; addresses stand in the vault, never here."""

    project_id: str
    name: str
    domain: str
    default_currency: str
    payment_types: tuple[str, ...]
    features: tuple[str, ...]
    overridden: tuple[str, ...]
    changed: tuple[str, ...]
    clawback: str = Clawback.REMAINING_ONLY.value
    grace_period_days: int = GRACE_PERIOD_DAYS


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductAdded:
    """The project sells one more thing, at the price that the gateway states."""

    project_id: str
    product_id: str
    name: str
    product_type: str
    price_id: str
    amount_minor: int
    currency: str
    interval: str | None
    recurring: bool
    credits: int
    credit_type: str
    permissions: tuple[str, ...]
    interval_count: int = 1
    trial_days: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductChanged:
    """A product is now this. Payments made before keep what they were made with."""

    project_id: str
    product_id: str
    name: str
    product_type: str
    price_id: str
    amount_minor: int
    currency: str
    interval: str | None
    recurring: bool
    credits: int
    credit_type: str
    permissions: tuple[str, ...]
    interval_count: int = 1
    trial_days: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyIssued:
    """A key that opens the API was handed out. Its SHA-256 stands here (hexadecimal), never the key."""

    project_id: str
    key_id: str
    key_kind: str
    key_hash: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRevoked:
    """A key opens nothing any more."""

    project_id: str
    key_id: str
    reason: str


ProjectEvent = ProjectRegistered | ProjectUpdated | ProductAdded | ProductChanged | KeyIssued | KeyRevoked
