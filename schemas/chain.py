"""The hash chain: every fact's hash covers the fact and the hash before it, so that no fact can be changed unseen.

`chain_vectors.json` holds three links with everything that goes into them, for checking an implementation in another language.
"""

import hashlib
from struct import Struct

from schemas import times
from schemas.envelope import Envelope

GENESIS = bytes(32)  # What stands before position 1.

_LENGTH = Struct(">I")


def link(previous_hash: bytes, *, position: int, envelope: Envelope, value: bytes) -> bytes:
    """The hash of the fact at `position`: SHA-256 of the previous hash and eleven parts, each after its length in four bytes.

    Numbers are decimal ASCII digits, text is UTF-8, the topic is the logical one, `value` is the framed Avro. 32 bytes.
    """
    parts = (
        b"%d" % position,
        envelope.topic.encode(),
        envelope.stream.encode(),
        str(envelope.event_id).encode(),
        envelope.type.encode(),
        b"%d" % envelope.version,
        times.to_text(envelope.recorded_at).encode(),
        envelope.project_id.encode(),
        envelope.correlation_id.encode(),
        envelope.causation_id.encode(),
        value,
    )
    return hashlib.sha256(previous_hash + b"".join([_LENGTH.pack(len(part)) + part for part in parts])).digest()
