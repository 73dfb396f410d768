"""Facts to bytes and back."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from io import BytesIO
from typing import Any, get_type_hints

import avro.io
import avro.schema
import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.payment.events import PaymentCheckoutOpened
from domain.wallet import Portion
from schemas import codec
from schemas.codec import Codec, NumberTooLarge, SchemaUnknown, ValueUnreadable
from schemas.contracts import Contract, Record, contracts
from schemas.names import EVENTS, name_of
from tests.samples import initiated

MOMENT = datetime(2026, 3, 1, 12, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
OPENED = PaymentCheckoutOpened(payment_id="pay_1", checkout_id="cs_1", expires_at=MOMENT)


TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
MOMENTS = st.timedeltas(timedelta(), timedelta(days=285 * 365)).map(lambda later: EPOCH + later)
LONGS = st.integers(-codec.MAX_LONG, codec.MAX_LONG)
PORTIONS = st.builds(Portion, entry_id=TEXT, amount=LONGS, remaining=LONGS)
STRATEGIES: Mapping[Any, st.SearchStrategy[Any]] = {
    str: TEXT,
    bool: st.booleans(),
    int: st.integers(-codec.MAX_INT, codec.MAX_INT),
    int | None: st.none() | st.integers(-codec.MAX_INT, codec.MAX_INT),
    datetime: MOMENTS,
    datetime | None: st.none() | MOMENTS,
    str | None: st.none() | TEXT,
    tuple[str, ...]: st.lists(TEXT, max_size=3).map(tuple),
    tuple[Portion, ...]: st.lists(PORTIONS, max_size=3).map(tuple),
    Mapping[str, str]: st.dictionaries(TEXT, TEXT, max_size=3),
}


def an_event(cls: type) -> st.SearchStrategy[Any]:
    """Any event of a class, with whatever its fields may hold."""
    return st.builds(cls, **{name: STRATEGIES[annotation] for name, annotation in get_type_hints(cls).items()})


@given(event=st.one_of([an_event(cls) for cls in EVENTS.values()]), actor=TEXT)
def test_every_event_comes_back_as_it_was(event: object, actor: str) -> None:
    _, value = codec.encode(event, actor)

    assert codec.decode(value) == (name_of(event), event, actor)


def test_a_value_begins_with_its_frame_and_is_never_empty(event: object) -> None:
    schema_id, value = codec.encode(event, "system:reconciler")

    assert value[:5] == b"\0" + schema_id.to_bytes(4, "big")
    assert contracts()[schema_id].record.event_type == name_of(event)
    assert codec.schema_id_of(value) == schema_id
    assert len(value) > 5


def test_apache_avro_reads_the_same_as_we_do(event: object) -> None:
    schema_id, value = codec.encode(event, "gateway:stripe")
    schema = avro.schema.parse(contracts()[schema_id].record.text)

    theirs = avro.io.DatumReader(schema).read(avro.io.BinaryDecoder(BytesIO(value[5:])))

    assert theirs == codec.read_record(value)


def test_an_older_value_gets_the_defaults_of_fields_that_it_lacks() -> None:
    older, newer = contract(1, [], id=1), contract(2, [LABELS], id=2)
    value = framed(older, {"actor": "key:k", "thing_id": "t"})

    assert Codec([older, newer], {"thing.made": ThingMade}).decode(value).event == ThingMade(thing_id="t", labels=())


def test_a_newer_value_loses_the_fields_that_this_code_does_not_know() -> None:
    current, newer = (
        contract(1, [LABELS], id=1),
        contract(2, [LABELS, {"name": "size", "type": "int", "default": 0}], id=2),
    )
    value = framed(newer, {"actor": "key:k", "thing_id": "t", "labels": ["a", "b"], "size": 5})

    assert Codec([current, newer], {"thing.made": ThingMade}).decode(value).event == ThingMade(
        thing_id="t", labels=("a", "b")
    )


def test_a_type_that_this_code_does_not_know_is_named_and_has_no_event() -> None:
    made = contract(1, [LABELS], id=1)
    value = framed(made, {"actor": "key:k", "thing_id": "t", "labels": ["a"]})

    assert Codec([made], {}).decode(value) == ("thing.made", None, "key:k")


def test_an_unknown_schema_is_refused_with_its_id() -> None:
    with pytest.raises(SchemaUnknown, match="the id 4711") as refused:
        codec.decode(b"\0" + (4711).to_bytes(4, "big") + b"something")

    assert refused.value.schema_id == 4711


@pytest.mark.parametrize("value", [b"", b"\0", b"\0\0\0\0\1", b"\1\0\0\0\1abc", b'{"json": true}'])
def test_bytes_without_a_frame_are_refused(value: bytes) -> None:
    with pytest.raises(ValueUnreadable, match="begins with a zero byte"):
        codec.decode(value)


def test_a_value_that_is_cut_off_anywhere_is_refused(event: object) -> None:
    _, value = codec.encode(event, "key:k")

    for length in range(len(value)):
        with pytest.raises(ValueUnreadable):
            codec.decode(value[:length])


def test_bytes_behind_a_record_are_refused(event: object) -> None:
    with pytest.raises(ValueUnreadable, match="behind"):
        codec.decode(codec.encode(event, "key:k")[1] + b"\0")


@given(schema_id=st.sampled_from(sorted(contracts())), body=st.binary(min_size=1))
def test_rotten_bytes_are_unreadable_and_nothing_else(schema_id: int, body: bytes) -> None:
    value = b"\0" + schema_id.to_bytes(4, "big") + body
    try:
        decoded = codec.decode(value)
    except ValueUnreadable:
        return
    assert isinstance(decoded.event, EVENTS[decoded.type])


@pytest.mark.parametrize(
    ("field", "limit"), [("amount_minor", 2**53 - 1), ("credits", 2**53 - 1), ("quantity", 2**31 - 1)]
)
def test_a_number_beyond_what_every_reader_holds_is_refused(field: str, limit: int) -> None:
    for number in (limit, -limit):
        assert getattr(codec.decode(encoded(field, number)).event, field) == number
    for number in (limit + 1, -limit - 1):
        with pytest.raises(NumberTooLarge, match=f"payment.initiated: {field} is {number}"):
            encoded(field, number)


def test_a_time_that_is_too_far_away_is_refused() -> None:
    with pytest.raises(NumberTooLarge, match="expires_at"):
        codec.encode(replace(OPENED, expires_at=datetime(2256, 1, 1, tzinfo=UTC)), "key:k")


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(TypeError):
        codec.encode(replace(OPENED, expires_at=MOMENT.replace(tzinfo=None)), "key:k")


def test_a_time_of_another_zone_comes_back_as_the_same_moment() -> None:
    elsewhere = replace(OPENED, expires_at=MOMENT.astimezone(timezone(timedelta(hours=5, minutes=30))))

    decoded = codec.decode(codec.encode(elsewhere, "key:k")[1]).event

    assert isinstance(decoded, PaymentCheckoutOpened)
    assert decoded.expires_at.utcoffset() == timedelta(0)
    assert decoded.expires_at == MOMENT


def test_a_class_that_is_no_event_is_refused() -> None:
    with pytest.raises(KeyError):
        codec.encode(ThingMade(thing_id="t"), "key:k")


@dataclass(frozen=True, slots=True, kw_only=True)
class ThingMade:
    """An event of another house."""

    thing_id: str
    labels: tuple[str, ...] = ()


LABELS = {"name": "labels", "type": {"type": "array", "items": "string"}, "default": []}


def contract(version: int, more: list[dict[str, Any]], id: int) -> Contract:
    fields = [{"name": "actor", "type": "string"}, {"name": "thing_id", "type": "string"}, *more]
    schema = fastavro.parse_schema({"type": "record", "name": "tillstream.ThingMade", "fields": fields})
    assert isinstance(schema, dict)
    return Contract(id, Record("thing.made", version, "", schema))


def framed(contract: Contract, fields: dict[str, Any]) -> bytes:
    buffer = BytesIO()
    fastavro.schemaless_writer(buffer, contract.record.schema, fields)
    return b"\0" + contract.id.to_bytes(4, "big") + buffer.getvalue()


def encoded(field: str, number: int) -> bytes:
    """A payment's beginning, with this number in it."""
    changes: dict[str, Any] = {field: number}
    return codec.encode(initiated(**changes), "key:k")[1]
