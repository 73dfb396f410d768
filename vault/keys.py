"""The master key, and what wraps data keys with it: a port in the shape of a key management service, and a local one."""

import binascii
import hashlib
import os
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vault.sealing import KEY_BYTES, NONCE_BYTES, TAG_BYTES, SealBroken, bound

ID_BYTES = 8
WRAPPED_BYTES = 1 + ID_BYTES + NONCE_BYTES + KEY_BYTES + TAG_BYTES

_VERSION = b"\x01"


class MasterKeyInvalid(ValueError):
    """The master key is missing or no 32 bytes in base64. The message never shows what was given."""


class MasterKeyUnknown(Exception):
    """A data key was wrapped by a master key that this process was not given."""

    def __init__(self, owner: str) -> None:
        super().__init__(
            f"The data key of {owner} was wrapped by another master key than those given:"
            " set TILLSTREAM_MASTER_KEY to the key that this database was started with."
        )


@dataclass(frozen=True, slots=True)
class MasterKey:
    """32 bytes that wrap every data key. Never stored; its `id` is, and says nothing about it."""

    secret: bytes = field(repr=False)

    @classmethod
    def parse(cls, text: str | None) -> "MasterKey":
        """From base64, as it stands in TILLSTREAM_MASTER_KEY. Raises `MasterKeyInvalid`."""
        if text is None or not text.strip():
            raise MasterKeyInvalid(
                "there is no master key, and nothing personal can be sealed or opened without it;"
                " make one with `openssl rand -base64 32`, and keep it apart from the database"
            )
        try:
            secret = b64decode(text.strip(), validate=True)
        except (binascii.Error, ValueError):
            raise MasterKeyInvalid("is not base64; `openssl rand -base64 32` makes a master key") from None
        if len(secret) != KEY_BYTES:
            raise MasterKeyInvalid(
                f"has {len(secret)} bytes instead of {KEY_BYTES}; `openssl rand -base64 32` makes a master key"
            )
        return cls(secret)

    @property
    def id(self) -> bytes:
        """Eight bytes that stand in whatever this key wraps, so that its successor can tell."""
        return hashlib.sha256(b"tillstream master key id\x00" + self.secret).digest()[:ID_BYTES]


class KeyWrapper(Protocol):
    """Wraps data keys. Asynchronous, because a key management service is asked over the network."""

    async def wrap(self, owner: str, data_key: bytes) -> bytes:
        """The data key, to be stored. `owner` is bound to it (a key management service's encryption context)."""
        ...

    async def unwrap(self, owner: str, wrapped: bytes) -> bytes:
        """The data key again. Raises `MasterKeyUnknown`, or `SealBroken` where the bytes are not this owner's."""
        ...


class LocalKeyWrapper:
    """Wraps with a master key in this process's memory, by AES-256-GCM.

    Wrapped bytes are `version (1) ‖ master key id (8) ‖ nonce (12, random) ‖ ciphertext (32) ‖ tag (16)`, with version,
    master key id and owner as associated data. Retired master keys only unwrap.
    """

    def __init__(self, current: MasterKey, *retired: MasterKey) -> None:
        self._current = current
        self._known: Mapping[bytes, MasterKey] = {key.id: key for key in (current, *retired)}

    async def wrap(self, owner: str, data_key: bytes) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        head = _VERSION + self._current.id
        return head + nonce + AESGCM(self._current.secret).encrypt(nonce, data_key, bound(head, owner))

    async def unwrap(self, owner: str, wrapped: bytes) -> bytes:
        if wrapped[:1] != _VERSION or len(wrapped) != WRAPPED_BYTES:
            raise SealBroken(f"The wrapped data key of {owner} is not in a format that this version can open.")
        head, rest = wrapped[: 1 + ID_BYTES], wrapped[1 + ID_BYTES :]
        master = self._known.get(head[1:])
        if master is None:
            raise MasterKeyUnknown(owner)
        try:
            return AESGCM(master.secret).decrypt(rest[:NONCE_BYTES], rest[NONCE_BYTES:], bound(head, owner))
        except InvalidTag as error:
            raise SealBroken(f"The wrapped data key of {owner} was changed, or belongs to another owner.") from error
