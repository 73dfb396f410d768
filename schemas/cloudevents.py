"""A fact as a Kafka record: its CloudEvents 1.0 headers (binary mode) written, and read back."""

from binascii import hexlify
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from schemas import codec, times
from schemas.envelope import Recorded, Written

SOURCE = "payment-service"

Header = tuple[str, bytes]

_FIXED: tuple[Header, ...] = (
    ("ce_specversion", b"1.0"),
    ("ce_source", SOURCE.encode()),
    ("content-type", b"application/avro"),
)
_OURS = frozenset(
    """
    ce_specversion ce_source content-type ce_type ce_dataschema ce_id ce_time ce_subject ce_partitionkey ce_projectid
    ce_position ce_streamversion ce_correlationid ce_causationid ce_prevhash ce_hash
    """.split()
)
# The headers that hold an envelope's parts but for its topic, in the order in which they are hashed.
_WRITTEN = """
    ce_subject ce_id ce_type ce_streamversion ce_time ce_projectid ce_correlationid ce_causationid
""".split()


class ForeignRecord(Exception):
    """A record in one of our topics is not a fact of ours: somebody else wrote it, or it was damaged."""

    def __init__(self, topic: str, problem: str) -> None:
        self.problem = problem
        super().__init__(
            f"A record in topic {topic!r} is not a fact of the payment service: {problem}. "
            "Only the publisher may write there; find who else does."
        )
        self.problem = problem


def schema_uri(service_url: str, schema_id: int) -> str:
    """Where a reader gets a fact's schema as plain JSON. `service_url` is the API's own, without a slash at its end."""
    return f"{service_url}/registry/schemas/ids/{schema_id}/schema"


def headers(
    written: Written, *, position: int, previous_hash: bytes, hash: bytes, value: bytes, service_url: str
) -> list[Header]:
    """All headers of one fact, each once, none empty. The record's key is `written.stream`.

    `value` is the framed Avro, `service_url` the base of `ce_dataschema` (see `schema_uri`).
    """
    _, stream, event_id, event_type, version, recorded_at, project_id, correlation_id, causation_id = written
    return [
        *_constant(event_type, codec.schema_id_of(value), service_url),
        ("ce_id", event_id),
        ("ce_time", recorded_at),
        ("ce_subject", stream),
        ("ce_partitionkey", stream),
        ("ce_projectid", project_id),
        ("ce_position", b"%d" % position),
        ("ce_streamversion", version),
        ("ce_correlationid", correlation_id),
        ("ce_causationid", causation_id),
        ("ce_prevhash", hexlify(previous_hash)),
        ("ce_hash", hexlify(hash)),
    ]


def read(headers: Sequence[Header] | None, *, topic: str, key: bytes | None, value: bytes | None) -> Recorded:
    """The fact in a Kafka record. `topic` is the logical one. Headers that are not ours are passed over.

    Raises `ForeignRecord`, or `codec.SchemaUnknown` where a newer version of the service wrote it.
    """
    try:
        found = _ours(headers or ())
        _check(found, key, value)
        return _recorded(found, topic, value or b"")
    except (KeyError, ValueError, codec.ValueUnreadable) as error:
        raise _foreign(topic, error) from error


class Sent(NamedTuple):
    """A Kafka record just as it was sent, its value not opened: all that is hashed, and the hashes."""

    position: int
    written: Written
    value: bytes
    previous_hash: bytes
    hash: bytes


def read_unopened(headers: Sequence[Header] | None, *, topic: str, key: bytes | None, value: bytes | None) -> Sent:
    """The fact in a Kafka record, for those who verify it or pass it on. As `read`, but no schema needs to be known.

    Raises `ForeignRecord`.
    """
    try:
        found = _ours(headers or ())
        _check(found, key, value)
        written = Written(topic.encode(), *(found[name] for name in _WRITTEN))
        previous_hash, hash = _digest(found, "ce_prevhash"), _digest(found, "ce_hash")
        return Sent(_count(found, "ce_position"), written, value or b"", previous_hash, hash)
    except (KeyError, ValueError) as error:
        raise _foreign(topic, error) from error


def _foreign(topic: str, error: Exception) -> ForeignRecord:
    if isinstance(error, KeyError):
        return ForeignRecord(topic, f"the header {error.args[0]} is missing")
    return ForeignRecord(topic, str(error))


def _ours(headers: Sequence[Header]) -> Mapping[str, bytes]:
    """Headers by name, ours once each and none of them empty. Written for speed: a rebuild reads every fact's."""
    found = dict(headers)
    if len(found) != len(headers) or not all(found.values()):
        names = [name for name, _ in headers if name in _OURS]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"the header {name} stands there twice")
            if not found[name]:
                raise ValueError(f"the header {name} is empty")
    return found


def _check(found: Mapping[str, bytes], key: bytes | None, value: bytes | None) -> None:
    """What every fact has alike: the constant headers, and one stream id in three places."""
    for name, expected in _FIXED:
        if found[name] != expected:
            raise ValueError(f"the header {name} is {found[name]!r} and not {expected!r}")
    if not key == found["ce_subject"] == found["ce_partitionkey"]:
        raise ValueError("its key, ce_subject and ce_partitionkey are not one and the same stream id")
    if not value:
        raise ValueError("it has no value")


def _recorded(found: Mapping[str, bytes], topic: str, value: bytes) -> Recorded:
    decoded = codec.decode(value)
    if decoded.type != found["ce_type"].decode():
        raise ValueError(f"ce_type is {found['ce_type']!r}, but the value is {decoded.type!r}")
    return Recorded(
        event_id=UUID(found["ce_id"].decode()),
        type=decoded.type,
        topic=topic,
        stream=found["ce_subject"].decode(),
        version=_count(found, "ce_streamversion"),
        recorded_at=times.from_text(found["ce_time"].decode()),
        project_id=found["ce_projectid"].decode(),
        actor=decoded.actor,
        correlation_id=found["ce_correlationid"].decode(),
        causation_id=found["ce_causationid"].decode(),
        position=_count(found, "ce_position"),
        event=decoded.event,
        value=value,
        previous_hash=_digest(found, "ce_prevhash"),
        hash=_digest(found, "ce_hash"),
    )


def _count(found: Mapping[str, bytes], name: str) -> int:
    """A number from 1, written as the publisher writes it: decimal ASCII digits, no sign, no leading zero."""
    digits = found[name]
    if not digits.isdigit() or digits.startswith(b"0"):
        raise ValueError(f"the header {name} is {digits!r} and not a number from 1")
    return int(digits)


def _digest(found: Mapping[str, bytes], name: str) -> bytes:
    """The 32 bytes of a SHA-256."""
    digest = bytes.fromhex(found[name].decode())
    if len(digest) != 32:
        raise ValueError(f"the header {name} is {found[name]!r} and not 64 hexadecimal digits")
    return digest


@lru_cache(maxsize=4096)
def _constant(event_type: bytes, schema_id: int, service_url: str) -> tuple[Header, ...]:
    """The headers that all facts of one type and schema share."""
    uri = schema_uri(service_url, schema_id)
    return (*_FIXED, ("ce_type", event_type), ("ce_dataschema", uri.encode()))
