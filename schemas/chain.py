"""The hash chain: every fact's hash covers the fact and the hash before it, so that no fact can be changed unseen.

`chain_vectors.json` holds three links with everything that goes into them, for checking an implementation in another language.
"""

from hashlib import sha256
from struct import Struct

from schemas.envelope import Written

GENESIS = bytes(32)  # What stands before position 1.

_LENGTH = Struct(">I")


def link(previous_hash: bytes, *, position: int, written: Written, value: bytes) -> bytes:
    """The hash of the fact at `position`: SHA-256 of the previous hash and eleven parts, each after its length in four bytes.

    Numbers are decimal ASCII digits, text is UTF-8, the topic is the logical one, `value` is the framed Avro. 32 bytes.
    """
    length = _LENGTH.pack
    parts = (b"%d" % position, *written, value)
    return sha256(previous_hash + b"".join([length(len(part)) + part for part in parts])).digest()
