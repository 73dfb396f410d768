"""The seal: what it binds, and that nothing can be changed about it."""

import os

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from vault.sealing import SealBroken, bound, seal, unseal

KEY = os.urandom(32)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
CONTENT = {"email": "ada@example.com"}


@given(owner=TEXT, kind=TEXT, id=TEXT, content=st.dictionaries(TEXT, TEXT))
def test_whatever_is_sealed_opens_under_its_name(owner: str, kind: str, id: str, content: dict[str, str]) -> None:
    assert unseal(KEY, owner, kind, id, seal(KEY, owner, kind, id, content)) == content


@given(name=st.tuples(TEXT, TEXT, TEXT), other=st.tuples(TEXT, TEXT, TEXT))
def test_no_two_names_are_bound_alike(name: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    assert (bound(b"\x01", *name) == bound(b"\x01", *other)) == (name == other)


def test_names_that_run_together_alike_are_told_apart() -> None:
    with pytest.raises(SealBroken):
        unseal(KEY, "cus_1", "contact", "2", seal(KEY, "cus_1", "contac", "t2", CONTENT))


def test_another_data_key_does_not_open() -> None:
    with pytest.raises(SealBroken):
        unseal(os.urandom(32), "cus_1", "contact", "1", seal(KEY, "cus_1", "contact", "1", CONTENT))


def test_no_byte_can_be_changed_added_or_left_out() -> None:
    sealed = seal(KEY, "cus_1", "contact", "1", CONTENT)
    changed = [sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :] for place in range(len(sealed))]
    cut = [sealed[:length] for length in range(len(sealed))]

    for broken in [*changed, *cut, sealed + b"\x00"]:
        with pytest.raises(SealBroken):
            unseal(KEY, "cus_1", "contact", "1", broken)


def test_the_format_is_the_documented_one() -> None:
    sealed = seal(KEY, "cus_1", "contact", "pay_1", CONTENT)
    associated = b"\x01" + b"\0\0\0\x05cus_1" + b"\0\0\0\x07contact" + b"\0\0\0\x05pay_1"

    assert sealed[0] == 1
    assert AESGCM(KEY).decrypt(sealed[1:13], sealed[13:], associated) == b'{"email":"ada@example.com"}'
