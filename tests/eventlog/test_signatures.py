"""Signatures, held against the examples of RFC 8037 (appendix A), which also names the key."""

from base64 import b64encode, urlsafe_b64decode

import pytest

from eventlog import signatures
from eventlog.signatures import PublicKey, SignatureInvalid, SigningKey, SigningKeyInvalid

SECRET = urlsafe_b64decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
PUBLIC = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
THUMBPRINT = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
SIGNED = (
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg==",
)

KEY = SigningKey(SECRET)
KEYS = {KEY.public.id: KEY.public}


def test_the_public_key_and_its_thumbprint_are_those_of_the_rfc() -> None:
    assert KEY.public.jwk()["x"] == PUBLIC
    assert KEY.public.id == THUMBPRINT


def test_a_signature_of_the_rfc_fits() -> None:
    text, signature = SIGNED

    assert KEY.public.checks(urlsafe_b64decode(signature), text.encode())
    assert not KEY.public.checks(urlsafe_b64decode(signature), text.encode() + b" ")


def test_what_was_signed_is_opened_with_the_public_key_alone() -> None:
    assert signatures.opened(KEY.sign(b"hello"), KEYS) == b"hello"


def test_a_key_set_gives_the_keys_again_and_passes_others_over() -> None:
    document = signatures.jwks([KEY.public])
    document["keys"].append({"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "other"})

    keys = signatures.from_jwks(document)

    assert list(keys) == [THUMBPRINT]
    assert signatures.opened(KEY.sign(b"hello"), keys) == b"hello"


@pytest.mark.parametrize("document", [{}, {"keys": [{"crv": "Ed25519"}]}, {"keys": None}, {"keys": ["x"]}])
def test_what_is_no_key_set_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="no JSON Web Key Set"):
        signatures.from_jwks(document)


def test_a_changed_text_is_refused() -> None:
    head, _, signature = KEY.sign(b"hello").split(".")
    payload = KEY.sign(b"hallo").split(".")[1]

    with pytest.raises(SignatureInvalid, match="does not fit"):
        signatures.opened(f"{head}.{payload}.{signature}", KEYS)


def test_a_stranger_s_signature_is_refused() -> None:
    stranger = SigningKey(bytes(32))

    with pytest.raises(SignatureInvalid, match="not among those known here"):
        signatures.opened(stranger.sign(b"hello"), KEYS)


@pytest.mark.parametrize("text", ["", "a.b", "a.b.c", "....", "e30.e30.e30", "bnVsbA.e30.e30", "🙂.🙂.🙂"])
def test_what_is_no_signed_text_is_refused(text: str) -> None:
    with pytest.raises(SignatureInvalid, match="no signed text"):
        signatures.opened(text, KEYS)


@pytest.mark.parametrize(
    ("text", "problem"), [("not base64!", "is not base64"), (b64encode(bytes(31)).decode(), "has 31 bytes")]
)
def test_a_signing_key_that_is_none_is_told_without_showing_it(text: str, problem: str) -> None:
    with pytest.raises(SigningKeyInvalid, match=problem) as refusal:
        SigningKey.parse(text)

    assert text not in str(refusal.value)
    assert PublicKey(SigningKey.parse(b64encode(SECRET).decode()).public.raw).id == THUMBPRINT
