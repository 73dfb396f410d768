"""Who has signed a webhook, and when: as the SDK signs, with what the SDK itself does not check."""

import hashlib
import hmac
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stripe import WebhookSignature

from gateways.errors import SignatureInvalid
from gateways.stripe.signatures import TOLERANCE_SECONDS, secrets_of, verify

BODY = '{"id": "evt_1", "name": "Łukasz"}'.encode()
SECRET, OTHER = "whsec_new", "whsec_old"
NOW = 1_790_000_000


def signed(body: bytes = BODY, secret: str = SECRET, at: int = NOW) -> str:
    """As Stripe's own SDK signs."""
    header: str = WebhookSignature.generate_signature_header(body.decode(), secret, at)
    return header


def v1(header: str) -> str:
    return header.partition(",")[2]


@pytest.mark.parametrize("secrets", [[SECRET], [OTHER, SECRET], ["", SECRET], [f" {SECRET} "]])
def test_a_webhook_passes_with_any_secret_that_is_in_force(secrets: Sequence[str]) -> None:
    verify(BODY, signed(), secrets, NOW)


def test_while_a_secret_is_rolled_one_good_signature_among_several_is_enough() -> None:
    both = f"t={NOW},{v1(signed(secret='whsec_unknown'))},{v1(signed())},v0=0123"

    verify(BODY, both, [SECRET], NOW)


@pytest.mark.parametrize("secrets", [[], [""], ["  "], [OTHER], ["whsec_ne"]])
def test_without_the_secret_nothing_passes(secrets: Sequence[str]) -> None:
    with pytest.raises(SignatureInvalid, match="STRIPE_WEBHOOK_SECRET"):
        verify(BODY, signed(), secrets, NOW)


def test_an_empty_secret_passes_nothing_even_if_somebody_signed_with_it() -> None:
    forged = hmac.new(b"", f"{NOW}.".encode() + BODY, hashlib.sha256).hexdigest()

    with pytest.raises(SignatureInvalid):
        verify(BODY, f"t={NOW},v1={forged}", ["", SECRET], NOW)


@pytest.mark.parametrize("body", [BODY + b"\n", BODY.replace(b": ", b":"), b"", b"\xff"])
def test_bytes_that_were_not_signed_do_not_pass(body: bytes) -> None:
    with pytest.raises(SignatureInvalid):
        verify(body, signed(), [SECRET], NOW)


@pytest.mark.parametrize("age_seconds", [TOLERANCE_SECONDS, 0, -TOLERANCE_SECONDS])
def test_a_signature_within_the_tolerance_passes(age_seconds: int) -> None:
    verify(BODY, signed(at=NOW - age_seconds), [SECRET], NOW)


@pytest.mark.parametrize(
    ("at", "says"),
    [(NOW - TOLERANCE_SECONDS - 1, "301 seconds ago"), (NOW + TOLERANCE_SECONDS + 1, "ahead"), (10**11, "ahead")],
)
def test_an_old_signature_and_one_of_the_future_do_not_pass(at: int, says: str) -> None:
    with pytest.raises(SignatureInvalid, match=says):
        verify(BODY, signed(at=at), [SECRET], NOW)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "garbled",
        "v1=" + "0" * 64,
        f"t={NOW}",
        f"t={NOW},v0={'0' * 64}",
        f"t={NOW},t={NOW},v1=00",
        "t=,v1=00",
        "t=-1,v1=00",
        "t=1e9,v1=00",
        "t=²,v1=00",
        f"t={'9' * 5000},v1=00",
    ],
)
def test_a_header_that_is_missing_or_garbled_does_not_pass(header: str) -> None:
    with pytest.raises(SignatureInvalid, match="Stripe-Signature"):
        verify(BODY, header, [SECRET], NOW)


@given(header=st.text(max_size=200) | st.from_regex(r"t=\d{1,12},v1=.{0,80}(,v1=.*)?", fullmatch=True))
def test_no_header_that_somebody_makes_up_passes_or_breaks_anything(header: str) -> None:
    with pytest.raises(SignatureInvalid):
        verify(BODY, header, [SECRET], NOW)


def test_a_setting_holds_one_secret_or_several_with_commas_between() -> None:
    assert secrets_of("whsec_1") == ("whsec_1",)
    assert secrets_of(" whsec_1, whsec_2 ,,") == ("whsec_1", "whsec_2")
    assert secrets_of("") == ()
