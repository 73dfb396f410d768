"""Facts of a customer. Stored for ever and published to Kafka: add fields, never rename them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerRegistered:
    """The owner of the users told of this one for the first time."""

    customer_id: str
    user_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerUpdated:
    """Something about them changed. `changed` names the fields; what they hold is personal and lies in the vault."""

    customer_id: str
    user_id: str
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerSuspended:
    """They may not spend any more, until they are reinstated."""

    customer_id: str
    user_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerReinstated:
    """They may spend again."""

    customer_id: str
    user_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerErased:
    """Everything personal about them was destroyed. What they did stays, under ids that name nobody."""

    customer_id: str
    user_id: str


CustomerEvent = CustomerRegistered | CustomerUpdated | CustomerSuspended | CustomerReinstated | CustomerErased
