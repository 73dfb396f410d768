"""A fact as a Kafka record, and back."""

import re
from dataclasses import replace
from typing import Any

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.formats.json import JSONFormat

from domain.payment.events import PaymentExpired
from schemas import chain, cloudevents
from schemas.cloudevents import ForeignRecord, Header
from schemas.codec import SchemaUnknown
from schemas.envelope import Recorded, written

URL = "https://pay.example"
EXPIRED = PaymentExpired(payment_id="pay_1", reason="nobody paid")


def test_a_record_is_read_back_as_the_fact_that_was_written(event: object, record: Any) -> None:
    fact = record(event)

    assert read(headers_of(fact), fact) == fact


def test_the_headers_are_these_and_no_others(record: Any) -> None:
    fact = record(EXPIRED, stream="pay_ü")

    assert headers_of(fact) == [
        ("ce_specversion", b"1.0"),
        ("ce_source", b"payment-service"),
        ("content-type", b"application/avro"),
        ("ce_type", b"payment.expired"),
        ("ce_dataschema", b"https://pay.example/registry/schemas/ids/8/schema"),
        ("ce_id", b"0195a1b2-c3d4-7e5f-8a6b-9c0d1e2f3a4b"),
        ("ce_time", b"2026-03-01T12:00:07.123456Z"),
        ("ce_subject", "pay_ü".encode()),
        ("ce_partitionkey", "pay_ü".encode()),
        ("ce_projectid", b"prj_1"),
        ("ce_position", b"7"),
        ("ce_streamversion", b"3"),
        ("ce_correlationid", b"req_1"),
        ("ce_causationid", b"evt_1"),
        ("ce_prevhash", fact.previous_hash.hex().encode()),
        ("ce_hash", fact.hash.hex().encode()),
    ]


def test_the_header_names_are_those_that_cloudevents_allows(record: Any) -> None:
    names = [name for name, _ in headers_of(record(EXPIRED))]

    assert len(names) == len(set(names))
    assert all(name == "content-type" or re.fullmatch("ce_[a-z0-9]{1,20}", name) for name in names)


class Untouched(JSONFormat):
    """Leaves the value as it is: Avro is not the SDK's business."""

    def read_data(self, body: bytes, content_type: str | None) -> bytes:
        return body


def test_the_official_sdk_accepts_each_fact(event: object, record: Any) -> None:
    fact = record(event)
    message = KafkaMessage(headers=dict(headers_of(fact)), key=fact.stream.encode(), value=fact.value)

    accepted = from_binary(message, Untouched())

    assert accepted.get_id() == str(fact.event_id)
    assert accepted.get_type() == fact.type
    assert accepted.get_time() == fact.recorded_at
    assert accepted.get_subject() == accepted.get_extension("partitionkey") == fact.stream
    assert accepted.get_datacontenttype() == "application/avro"
    assert accepted.get_extension("position") == "7"
    assert accepted.get_data() == fact.value


def test_the_previous_hash_of_the_first_fact_is_zeros(record: Any) -> None:
    first = replace(record(EXPIRED), position=1, previous_hash=chain.GENESIS)

    assert ("ce_prevhash", b"0" * 64) in headers_of(first)
    assert read(headers_of(first), first) == first


def test_headers_of_others_are_passed_over(record: Any) -> None:
    fact = record(EXPIRED)

    assert read([("traceparent", b"00-1-2-01"), ("x", b""), *headers_of(fact), ("traceparent", b"again")], fact) == fact


# Our readers need no `ce_dataschema`: they have the schemas. Everything else must be there.
@pytest.mark.parametrize(
    "name",
    [
        "ce_specversion", "ce_source", "content-type", "ce_type", "ce_id", "ce_time", "ce_subject", "ce_partitionkey",
        "ce_projectid", "ce_position", "ce_streamversion", "ce_correlationid", "ce_causationid", "ce_prevhash", "ce_hash",
    ],
)  # fmt: skip
def test_a_record_that_lacks_a_header_is_foreign(name: str, record: Any) -> None:
    fact = record(EXPIRED)
    without = [header for header in headers_of(fact) if header[0] != name]

    with pytest.raises(
        ForeignRecord, match=f"'payments' is not a fact of the payment service: the header {name} is missing"
    ):
        read(without, fact)
    with pytest.raises(ForeignRecord, match=f"the header {name} is empty"):
        read([*without, (name, b"")], fact)
    with pytest.raises(ForeignRecord, match=f"the header {name} stands there twice"):
        read([*headers_of(fact), (name, b"again")], fact)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("ce_specversion", b"0.3", "b'0.3' and not b'1.0'"),
        ("ce_source", b"another-service", "another-service"),
        ("content-type", b"application/json", "application/json"),
        ("ce_type", b"payment.failed", "ce_type is b'payment.failed', but the value is 'payment.expired'"),
        ("ce_id", b"not-a-uuid", "UUID"),
        ("ce_time", b"2026-03-01T12:00:00Z", "not of the form"),
        ("ce_subject", b"pay_2", "not one and the same"),
        ("ce_partitionkey", b"pay_2", "not one and the same"),
        ("ce_position", b"07", "not a number from 1"),
        ("ce_position", b"-7", "not a number from 1"),
        ("ce_position", "\u0667".encode(), "not a number from 1"),
        ("ce_streamversion", b"0", "not a number from 1"),
        ("ce_prevhash", b"abcd", "not 64 hexadecimal digits"),
        ("ce_hash", b"x" * 64, "hexadecimal"),
        ("ce_projectid", b"\xff", "utf-8"),
    ],
)
def test_a_record_with_a_wrong_header_is_foreign(name: str, content: bytes, problem: str, record: Any) -> None:
    fact = record(EXPIRED)
    changed = [(known, content if known == name else value) for known, value in headers_of(fact)]

    with pytest.raises(ForeignRecord, match=re.escape(problem)):
        read(changed, fact)


@pytest.mark.parametrize("headers", [None, []])
def test_a_record_without_any_header_is_foreign(headers: list[Header] | None) -> None:
    with pytest.raises(ForeignRecord, match="missing"):
        cloudevents.read(headers, topic="payments", key=b"k", value=b'{"hello": "world"}')


@pytest.mark.parametrize(
    "changes", [{"key": None}, {"key": b"pay_2"}, {"value": None}, {"value": b""}, {"value": b"hello, world"}]
)
def test_a_record_with_another_key_or_value_is_foreign(changes: dict[str, Any], record: Any) -> None:
    fact = record(EXPIRED)

    with pytest.raises(ForeignRecord):
        cloudevents.read(headers_of(fact), topic="payments", **{"key": b"pay_1", "value": fact.value, **changes})


def test_a_schema_of_a_newer_version_is_not_foreign_but_unknown(record: Any) -> None:
    fact = record(EXPIRED)

    with pytest.raises(SchemaUnknown):
        cloudevents.read(headers_of(fact), topic="payments", key=b"pay_1", value=b"\0\0\1\0\0" + fact.value[5:])


def headers_of(fact: Recorded) -> list[Header]:
    return cloudevents.headers(
        written(fact),
        position=fact.position,
        previous_hash=fact.previous_hash,
        hash=fact.hash,
        value=fact.value,
        service_url=URL,
    )


def read(headers: list[Header], fact: Recorded) -> Recorded:
    return cloudevents.read(headers, topic=fact.topic, key=fact.stream.encode(), value=fact.value)
