"""A project's customer: who may spend, as the owner of the users has it. Nothing here names the person."""

from domain.customer.events import (
    CustomerErased,
    CustomerEvent,
    CustomerRegistered,
    CustomerReinstated,
    CustomerSuspended,
    CustomerUpdated,
)
from domain.customer.identity import customer_id
from domain.customer.standing import erase, register, reinstate, suspend, update
from domain.customer.state import CUSTOMERS, Customer, Standing

__all__ = [
    "CUSTOMERS",
    "Customer",
    "CustomerErased",
    "CustomerEvent",
    "CustomerRegistered",
    "CustomerReinstated",
    "CustomerSuspended",
    "CustomerUpdated",
    "Standing",
    "customer_id",
    "erase",
    "register",
    "reinstate",
    "suspend",
    "update",
]
