"""What the owner of the users says of one of them. Said twice, or after the end, it changes nothing."""

from collections.abc import Iterable

from domain.customer.events import (
    CustomerErased,
    CustomerEvent,
    CustomerRegistered,
    CustomerReinstated,
    CustomerSuspended,
    CustomerUpdated,
)
from domain.customer.state import Customer, Standing


def register(customer: Customer | None, customer_id: str, user_id: str) -> list[CustomerEvent]:
    """Take note of a user."""
    return [] if customer is not None else [CustomerRegistered(customer_id=customer_id, user_id=user_id)]


def update(customer: Customer | None, customer_id: str, user_id: str, changed: Iterable[str]) -> list[CustomerEvent]:
    """Take note of which fields changed. A user whose registration never came is registered by it."""
    if _is_erased(customer):
        return []
    updated = CustomerUpdated(customer_id=customer_id, user_id=user_id, changed=tuple(sorted(changed)))
    return [*register(customer, customer_id, user_id), updated]


def suspend(customer: Customer | None, customer_id: str, user_id: str, reason: str) -> list[CustomerEvent]:
    """Let them spend nothing."""
    if customer is not None and customer.standing is not Standing.ACTIVE:
        return []
    suspended = CustomerSuspended(customer_id=customer_id, user_id=user_id, reason=reason)
    return [*register(customer, customer_id, user_id), suspended]


def reinstate(customer: Customer | None) -> list[CustomerEvent]:
    """Let them spend again."""
    if customer is None or customer.standing is not Standing.SUSPENDED:
        return []
    return [CustomerReinstated(customer_id=customer.customer_id, user_id=customer.user_id)]


def erase(customer: Customer | None, customer_id: str, user_id: str) -> list[CustomerEvent]:
    """Note that what was personal about them is destroyed. Final."""
    if _is_erased(customer):
        return []
    erased = CustomerErased(customer_id=customer_id, user_id=user_id)
    return [*register(customer, customer_id, user_id), erased]


def _is_erased(customer: Customer | None) -> bool:
    return customer is not None and customer.standing is Standing.ERASED
