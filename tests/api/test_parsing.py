"""Strict JSON."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.errors import BodyMalformed, RequestInvalid
from api.models.payments import PaymentRequest
from api.parsing import canonical, decode, parse


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"{'a': 1}", "not JSON"),
        (b'{"a": 1} {}', "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b'{"a": {"b": 1, "b": 1}}', "twice"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "-Infinity"),
        (b'{"a": 1e400}', "number"),
        (b'{"a": ' + b"9" * 5000 + b"}", "number"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"\\udfff": 1}', "surrogate"),
        (b"[" * 30_000 + b"]" * 30_000, "nested"),
    ],
)
def test_what_is_not_strict_json_is_refused_with_its_reason(body: bytes, word: str) -> None:
    with pytest.raises(BodyMalformed) as refused:
        decode(body)

    assert word in refused.value.message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_the_canonical_form_forgets_order_and_space_and_nothing_else(value: Any) -> None:
    spaced = json.dumps(value, indent=3, ensure_ascii=True).encode()

    assert decode(spaced) == value
    assert canonical(decode(spaced)) == canonical(value)
    assert decode(canonical(value)) == value


@given(JSON | st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text(), max_size=6))
def test_the_canonical_form_is_the_one_that_fingerprints_were_made_of_from_the_first_day(value: Any) -> None:
    plain = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)

    assert canonical(value) == plain.encode()


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(body: bytes) -> None:
    with suppress(BodyMalformed):
        decode(body)


@given(JSON)
def test_no_json_breaks_the_model(value: Any) -> None:
    with suppress(RequestInvalid):
        parse(PaymentRequest, value)


def test_a_made_up_field_name_is_not_repeated() -> None:
    with pytest.raises(RequestInvalid) as refused:
        parse(PaymentRequest, {"user_id": "u", "product_id": "p", "person@example.com": 1})

    assert "example.com" not in repr((refused.value.message, refused.value.param, refused.value.details))
    assert refused.value.__cause__ is None
