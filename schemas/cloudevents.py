"""A fact as a Kafka record: its CloudEvents 1.0 headers (binary mode) written, and read back."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from uuid import UUID

from schemas import codec, times
from schemas.envelope import Envelope, Recorded

SOURCE = "payment-service"

_FIXED = {"ce_specversion": "1.0", "ce_source": SOURCE, "content-type": "application/avro"}

Header = tuple[str, bytes]


class ForeignRecord(Exception):
    """A record in one of our topics is not a fact of ours: somebody else wrote it, or it was damaged."""

    def __init__(self, topic: str, problem: str) -> None:
        super().__init__(
            f"A record in topic {topic!r} is not a fact of the payment service: {problem}. "
            "Only the publisher may write there; find who else does."
        )


def schema_uri(service_url: str, schema_id: int) -> str:
    """Where a reader gets a fact's schema as plain JSON. `service_url` is the API's own, without a slash at its end."""
    return f"{service_url}/registry/schemas/ids/{schema_id}/schema"


def headers(
    envelope: Envelope, *, position: int, previous_hash: bytes, hash: bytes, value: bytes, service_url: str
) -> list[Header]:
    """All headers of one fact, each once, none empty. The record's key is `envelope.stream`.

    `value` is the framed Avro, `service_url` the base of `ce_dataschema` (see `schema_uri`).
    """
    stream = envelope.stream.encode()
    return [
        *_constant(envelope.type, codec.schema_id_of(value), service_url),
        ("ce_id", str(envelope.event_id).encode()),
        ("ce_time", times.to_text(envelope.recorded_at).encode()),
        ("ce_subject", stream),
        ("ce_partitionkey", stream),
        ("ce_projectid", envelope.project_id.encode()),
        ("ce_position", b"%d" % position),
        ("ce_streamversion", b"%d" % envelope.version),
        ("ce_correlationid", envelope.correlation_id.encode()),
        ("ce_causationid", envelope.causation_id.encode()),
        ("ce_prevhash", previous_hash.hex().encode()),
        ("ce_hash", hash.hex().encode()),
    ]


def read(headers: Sequence[Header] | None, *, topic: str, key: bytes | None, value: bytes | None) -> Recorded:
    """The fact in a Kafka record. `topic` is the logical one. Headers that are not ours are passed over.

    Raises `ForeignRecord`, or `codec.SchemaUnknown` where a newer version of the service wrote it.
    """
    try:
        found = _ours(headers or ())
        _check(found, key, value)
        return _recorded(found, topic, value or b"")
    except KeyError as missing:
        raise ForeignRecord(topic, f"the header {missing.args[0]} is missing") from missing
    except (ValueError, codec.ValueUnreadable) as error:
        raise ForeignRecord(topic, str(error)) from error


def _ours(headers: Sequence[Header]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for name, content in headers:
        if name.startswith("ce_") or name == "content-type":
            if name in found:
                raise ValueError(f"the header {name} stands there twice")
            if not content:
                raise ValueError(f"the header {name} is empty")
            found[name] = content.decode()
    return found


def _check(found: Mapping[str, str], key: bytes | None, value: bytes | None) -> None:
    """What every fact has alike: the constant headers, and one stream id in three places."""
    for name, expected in _FIXED.items():
        if found[name] != expected:
            raise ValueError(f"the header {name} is {found[name]!r} and not {expected!r}")
    stream = found["ce_subject"].encode()
    if key != stream or found["ce_partitionkey"] != found["ce_subject"]:
        raise ValueError("its key, ce_subject and ce_partitionkey are not one and the same stream id")
    if not value:
        raise ValueError("it has no value")


def _recorded(found: Mapping[str, str], topic: str, value: bytes) -> Recorded:
    decoded = codec.decode(value)
    if decoded.type != found["ce_type"]:
        raise ValueError(f"ce_type is {found['ce_type']!r}, but the value is {decoded.type!r}")
    return Recorded(
        event_id=UUID(found["ce_id"]),
        type=decoded.type,
        topic=topic,
        stream=found["ce_subject"],
        version=_count(found, "ce_streamversion"),
        recorded_at=times.from_text(found["ce_time"]),
        project_id=found["ce_projectid"],
        actor=decoded.actor,
        correlation_id=found["ce_correlationid"],
        causation_id=found["ce_causationid"],
        position=_count(found, "ce_position"),
        event=decoded.event,
        value=value,
        previous_hash=_digest(found, "ce_prevhash"),
        hash=_digest(found, "ce_hash"),
    )


def _count(found: Mapping[str, str], name: str) -> int:
    """A number from 1, written as the publisher writes it: decimal ASCII digits, no sign, no leading zero."""
    text = found[name]
    if not (text.isascii() and text.isdecimal()) or text[0] == "0":
        raise ValueError(f"the header {name} is {text!r} and not a number from 1")
    return int(text)


def _digest(found: Mapping[str, str], name: str) -> bytes:
    """The 32 bytes of a SHA-256."""
    digest = bytes.fromhex(found[name])
    if len(digest) != 32:
        raise ValueError(f"the header {name} is {found[name]!r} and not 64 hexadecimal digits")
    return digest


@lru_cache(maxsize=4096)
def _constant(event_type: str, schema_id: int, service_url: str) -> tuple[Header, ...]:
    """The headers that all facts of one type and schema share."""
    shared = {**_FIXED, "ce_type": event_type, "ce_dataschema": schema_uri(service_url, schema_id)}
    return tuple((name, text.encode()) for name, text in shared.items())
