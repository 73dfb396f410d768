"""A customer as their facts have made them."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import assert_never

from domain.customer.events import (
    CustomerErased,
    CustomerEvent,
    CustomerRegistered,
    CustomerReinstated,
    CustomerSuspended,
    CustomerUpdated,
)
from domain.streams import Kind


class Standing(StrEnum):
    ACTIVE = "active"
    SUSPENDED = "suspended"
    ERASED = "erased"


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    customer_id: str
    user_id: str
    standing: Standing = Standing.ACTIVE


def evolve(customer: Customer | None, event: CustomerEvent) -> Customer:
    """Apply one fact. Never refuses: what happened, happened."""
    customer = customer or Customer(customer_id=event.customer_id, user_id=event.user_id)
    match event:
        case CustomerRegistered() | CustomerUpdated():
            return customer
        case CustomerSuspended():
            return replace(customer, standing=Standing.SUSPENDED)
        case CustomerReinstated():
            return replace(customer, standing=Standing.ACTIVE)
        case CustomerErased():
            return replace(customer, standing=Standing.ERASED)
        case _:
            assert_never(event)


CUSTOMERS: Kind[Customer, CustomerEvent] = Kind("customers", evolve)
