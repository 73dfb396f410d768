"""Who may spend, as the owner of the users has it."""

import pytest

from domain.customer import (
    CUSTOMERS,
    Customer,
    CustomerErased,
    CustomerEvent,
    CustomerRegistered,
    CustomerReinstated,
    CustomerSuspended,
    CustomerUpdated,
    Standing,
    erase,
    register,
    reinstate,
    suspend,
    update,
)

REGISTERED = CustomerRegistered(customer_id="cus_1", user_id="u")
SUSPENDED = CustomerSuspended(customer_id="cus_1", user_id="u", reason="fraud")
REINSTATED = CustomerReinstated(customer_id="cus_1", user_id="u")
ERASED = CustomerErased(customer_id="cus_1", user_id="u")


def given(*events: CustomerEvent) -> Customer | None:
    return CUSTOMERS.fold(events)


def test_a_user_is_registered_once() -> None:
    assert register(None, "cus_1", "u") == [REGISTERED]
    assert register(given(REGISTERED), "cus_1", "u") == []


@pytest.mark.parametrize("events", [(), (REGISTERED,)])
def test_who_is_suspended_is_registered_by_it_where_nobody_had_told(events: tuple[CustomerEvent, ...]) -> None:
    facts = suspend(given(*events), "cus_1", "u", "fraud")

    assert [*events, *facts] == [REGISTERED, SUSPENDED]


def test_a_suspension_said_twice_is_one() -> None:
    assert suspend(given(REGISTERED, SUSPENDED), "cus_1", "u", "fraud again") == []


def test_who_is_reinstated_may_be_suspended_again() -> None:
    customer = given(REGISTERED, SUSPENDED, REINSTATED)

    assert customer is not None
    assert customer.standing is Standing.ACTIVE
    assert suspend(customer, "cus_1", "u", "fraud") == [SUSPENDED]


@pytest.mark.parametrize("events", [(), (REGISTERED,), (REGISTERED, SUSPENDED, REINSTATED), (REGISTERED, ERASED)])
def test_only_who_is_suspended_is_reinstated(events: tuple[CustomerEvent, ...]) -> None:
    assert reinstate(given(*events)) == []
    assert reinstate(given(REGISTERED, SUSPENDED)) == [REINSTATED]


def test_a_change_is_noted_by_name_alone() -> None:
    facts = update(given(REGISTERED), "cus_1", "u", {"name", "email"})

    assert facts == [CustomerUpdated(customer_id="cus_1", user_id="u", changed=("email", "name"))]


def test_nothing_follows_an_erasure() -> None:
    erased = given(REGISTERED, SUSPENDED, *erase(given(REGISTERED, SUSPENDED), "cus_1", "u"))

    assert erased is not None
    assert erased.standing is Standing.ERASED
    assert register(erased, "cus_1", "u") == []
    assert update(erased, "cus_1", "u", {"email"}) == []
    assert suspend(erased, "cus_1", "u", "late") == []
    assert reinstate(erased) == []
    assert erase(erased, "cus_1", "u") == []
