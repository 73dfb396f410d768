"""Stripe's request encoding, read back."""

from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stripe._encode import _api_encode  # The SDK's own encoder is the other half of the contract.

from sandbox.stripe.errors import StripeRefusal
from sandbox.stripe.forms import decode

names = st.text(st.characters(exclude_characters="[]", exclude_categories=["Cs"]), min_size=1)
leaves = st.text(st.characters(exclude_categories=["Cs"]))
trees = st.dictionaries(
    names, st.recursive(leaves, lambda inner: st.dictionaries(names, inner, min_size=1), max_leaves=8), max_size=4
)


def encoded(parameters: dict[str, object]) -> bytes:
    return urlencode(list(_api_encode(parameters))).encode()


@settings(max_examples=50, deadline=None)
@given(trees)
def test_what_the_sdk_encodes_is_decoded_again(parameters: dict[str, object]) -> None:
    assert decode(encoded(parameters)) == parameters


def test_lists_come_as_numbered_hashes() -> None:
    sent = decode(b"expand[0]=a&expand[1]=b&items[][price]=p&line_items[0][price]=x")

    assert sent == {
        "expand": {"0": "a", "1": "b"},
        "items": {"0": {"price": "p"}},
        "line_items": {"0": {"price": "x"}},
    }


@pytest.mark.parametrize("broken", [b"a", b"a[b=c", b"[a]=b", b"a=%ff", b"a=1&a[b]=2", b"a[b]=1&a=2", b"\xff=1"])
def test_what_is_no_form_is_refused(broken: bytes) -> None:
    with pytest.raises(StripeRefusal):
        decode(broken)
