"""The seal itself: a JSON object of strings under AES-256-GCM, bound to the name of the record it belongs to.

Sealed bytes are `version (1) ‖ nonce (12, random) ‖ ciphertext ‖ tag (16)`. The associated data is the version byte, then
owner, kind and id, each in UTF-8 behind its length in 4 bytes: what was sealed for one record opens as no other.
"""

import json
import os
from collections.abc import Mapping

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = (
    12  # Random nonces are safe for 2^32 seals under one key (NIST SP 800-38D, 8.3); a key belongs to one owner.
)
TAG_BYTES = 16

_VERSION = b"\x01"


class SealBroken(Exception):
    """Sealed bytes that are not what they claim to be: changed, moved to another record, or under another key."""


def seal(data_key: bytes, owner: str, kind: str, id: str, content: Mapping[str, str]) -> bytes:
    """Seal a content for the record of this name. `data_key` has 32 bytes."""
    nonce = os.urandom(NONCE_BYTES)
    plain = orjson.dumps(dict(content))
    return _VERSION + nonce + AESGCM(data_key).encrypt(nonce, plain, bound(_VERSION, owner, kind, id))


def unseal(data_key: bytes, owner: str, kind: str, id: str, sealed: bytes) -> dict[str, str]:
    """The content sealed for the record of this name. Raises `SealBroken`."""
    version, nonce, ciphertext = sealed[:1], sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
    if version != _VERSION or len(ciphertext) < TAG_BYTES:
        raise SealBroken(f"The {kind} record {id} of {owner} is not in a format that this version can open.")
    try:
        plain = AESGCM(data_key).decrypt(nonce, ciphertext, bound(_VERSION, owner, kind, id))
    except InvalidTag as error:
        raise SealBroken(f"The {kind} record {id} of {owner} was changed, or was sealed as another one.") from error
    content: dict[str, str] = json.loads(plain)
    return content


def bound(version: bytes, *names: str) -> bytes:
    """Associated data that no other version and names give: the lengths keep ("ab", "c") apart from ("a", "bc")."""
    encoded = [name.encode() for name in names]
    return version + b"".join(len(name).to_bytes(4) + name for name in encoded)
