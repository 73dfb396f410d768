"""Ids that derive from what they stand for: the same for the same thing, whoever asks."""

from hashlib import sha1
from uuid import UUID

_VARIANT = "89ab"


def digits(namespace: UUID, name: str) -> str:
    """The 32 hexadecimal digits of UUIDv5 (RFC 9562, 5.5): `uuid5(namespace, name).hex`, at a third of its cost."""
    found = sha1(namespace.bytes + name.encode(), usedforsecurity=False).hexdigest()
    return f"{found[:12]}5{found[13:16]}{_VARIANT[int(found[16], 16) & 3]}{found[17:32]}"
