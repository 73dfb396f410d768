"""Ed25519 signatures in the forms that every language has a library for: JWS (RFC 7515, 8037) and JWKS (RFC 7517)."""

import binascii
import hashlib
import json
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

KEY_BYTES = 32

_MADE_BY = "`openssl rand -base64 32` makes one"


class SigningKeyInvalid(ValueError):
    """The signing key is no 32 bytes in base64. The message never shows what was given."""


class SignatureInvalid(Exception):
    """A text was not signed by a key that we know, or was changed since."""


class PublicKey:
    """What a signature is checked with. `id` is its thumbprint (RFC 7638), which every signature names."""

    def __init__(self, raw: bytes) -> None:
        """`raw`: 32 bytes. ValueError where they are not."""
        self.raw = raw
        self._key = Ed25519PublicKey.from_public_bytes(raw)
        self.id = _encode(hashlib.sha256(json.dumps(self._required(), separators=(",", ":")).encode()).digest())

    def checks(self, signature: bytes, text: bytes) -> bool:
        try:
            self._key.verify(signature, text)
        except InvalidSignature:
            return False
        return True

    def jwk(self) -> dict[str, str]:
        """The key as JSON (RFC 8037, section 2)."""
        return {**self._required(), "kid": self.id, "use": "sig", "alg": "EdDSA"}

    def _required(self) -> dict[str, str]:
        """The members that a thumbprint is made of, in the order in which it is made."""
        return {"crv": "Ed25519", "kty": "OKP", "x": _encode(self.raw)}


class SigningKey:
    """What signs. Kept by the publisher alone."""

    def __init__(self, secret: bytes) -> None:
        """`secret`: 32 bytes, the private key of RFC 8032."""
        self._key = Ed25519PrivateKey.from_private_bytes(secret)
        self.public = PublicKey(self._key.public_key().public_bytes_raw())

    @classmethod
    def parse(cls, text: str) -> "SigningKey":
        """From base64, as it stands in TILLSTREAM_SIGNING_KEY. Raises `SigningKeyInvalid`."""
        try:
            secret = b64decode(text.strip(), validate=True)
        except (binascii.Error, ValueError):
            raise SigningKeyInvalid(f"is not base64; {_MADE_BY}") from None
        if len(secret) != KEY_BYTES:
            raise SigningKeyInvalid(f"has {len(secret)} bytes instead of {KEY_BYTES}; {_MADE_BY}")
        return cls(secret)

    def sign(self, payload: bytes) -> str:
        """The payload as a JWS in its compact form: three parts in base64url with dots between."""
        head = json.dumps({"alg": "EdDSA", "kid": self.public.id}, separators=(",", ":")).encode()
        text = f"{_encode(head)}.{_encode(payload)}"
        return f"{text}.{_encode(self._key.sign(text.encode()))}"


def opened(jws: str, keys: Mapping[str, PublicKey]) -> bytes:
    """The payload of a compact JWS that one of these keys, by their ids, has signed. Raises `SignatureInvalid`."""
    try:
        head, payload, signature = jws.split(".")
        named = json.loads(_decode(head))
        algorithm, key_id = named["alg"], named["kid"]
        text, mark, found = f"{head}.{payload}".encode(), _decode(signature), _decode(payload)
    except (ValueError, KeyError, TypeError) as error:
        raise SignatureInvalid(f"this is no signed text in the compact form of a JWS ({error!r})") from error
    if algorithm != "EdDSA" or key_id not in keys:
        raise SignatureInvalid(
            f"it is signed with the key {key_id!r} ({algorithm}), which is not among those known here"
        )
    if not keys[key_id].checks(mark, text):
        raise SignatureInvalid(f"the signature of the key {key_id!r} does not fit; it was changed")
    return found


def unchecked(jws: str) -> bytes:
    """The payload of a compact JWS, whoever signed it."""
    return _decode(jws.split(".")[1])


def jwks(keys: Iterable[PublicKey]) -> dict[str, Any]:
    """Public keys as a JSON Web Key Set."""
    return {"keys": [key.jwk() for key in keys]}


def from_jwks(document: Mapping[str, Any]) -> Mapping[str, PublicKey]:
    """The Ed25519 keys of a key set, by their ids; others are passed over. ValueError where it is no key set."""
    try:
        found = [PublicKey(_decode(key["x"])) for key in document["keys"] if key.get("crv") == "Ed25519"]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"this is no JSON Web Key Set ({error!r})") from error
    return {key.id: key for key in found}


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    """Raises ValueError."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
