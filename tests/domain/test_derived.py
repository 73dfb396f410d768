"""Ids that derive from what they stand for."""

from uuid import UUID, uuid5

from hypothesis import given
from hypothesis import strategies as st

from domain.derived import digits


@given(st.uuids(), st.text())
def test_the_digits_are_those_of_a_uuid_of_version_five(namespace: UUID, name: str) -> None:
    assert digits(namespace, name) == uuid5(namespace, name).hex
