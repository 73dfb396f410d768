"""FULL_TRANSITIVE over all versions, without a registry."""

import json
from io import BytesIO
from typing import Any

import fastavro
import pytest

from schemas.compatibility import breaks
from schemas.contracts import Record, read_records

ID = {"name": "thing_id", "type": "string"}
OPTIONAL = {"name": "note", "type": ["null", "string"], "default": None}
LABELS = {"name": "labels", "type": {"type": "array", "items": "string"}, "default": []}
COUNTS = {"name": "counts", "type": {"type": "map", "values": "int"}, "default": {}}
TIMESTAMP = {"type": "long", "logicalType": "timestamp-micros"}


def of_type(kind: Any, **more: Any) -> dict[str, Any]:
    return {"name": "field", "type": kind, **more}


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        pytest.param([ID], [ID, OPTIONAL], id="a new field with a default"),
        pytest.param([ID, LABELS], [ID], id="a field with a default goes"),
        pytest.param([ID, LABELS, COUNTS], [COUNTS, LABELS, ID], id="fields in another order"),
        pytest.param([ID], [{**ID, "doc": "Which thing."}], id="better docs"),
        pytest.param([of_type("string")], [of_type({"type": "string"})], id="the same type in other words"),
        pytest.param([of_type("int", default=0)], [of_type("int", default=1)], id="another default"),
        pytest.param([of_type(["null", "string"])], [of_type(["string", "null"])], id="branches in another order"),
    ],
)
def test_a_good_change_passes(older: list[Any], newer: list[Any]) -> None:
    assert list(breaks([version(1, older), version(2, newer)])) == []


@pytest.mark.parametrize(
    ("older", "newer", "sentence"),
    [
        pytest.param(
            [ID],
            [ID, of_type("string")],
            "version 2 cannot read what version 1 writes: field 'field' is not in it and has no default",
            id="a new field without a default",
        ),
        pytest.param(
            [ID, of_type("string")],
            [ID],
            "version 1 cannot read what version 2 writes: field 'field' is not in it and has no default",
            id="a field without a default goes",
        ),
        pytest.param([ID], [{**ID, "name": "id"}], "field 'thing_id' is not in it", id="another name"),
        pytest.param(
            [of_type("string")], [of_type("int")], "field 'field' is string, where int is expected", id="another type"
        ),
        pytest.param(
            [of_type("int")],
            [of_type("long")],
            "version 1 cannot read what version 2 writes: field 'field' is long, where int is expected",
            id="a wider number, which older readers cannot hold",
        ),
        pytest.param(
            [of_type("string")],
            [of_type(["null", "string"])],
            "version 1 cannot read what version 2 writes: field 'field' is null, where string is expected",
            id="a field becomes optional",
        ),
        pytest.param(
            [of_type(["null", "string"])],
            [of_type(["null", "string", "int"])],
            "field 'field' is int, where null or string is expected",
            id="one more branch",
        ),
        pytest.param(
            [of_type("long")], [of_type(TIMESTAMP)], "where timestamp-micros is expected", id="a number becomes a time"
        ),
        pytest.param(
            [of_type({"type": "array", "items": "string"})],
            [of_type({"type": "array", "items": "int"})],
            "an item of field 'field' is string, where int is expected",
            id="other items",
        ),
        pytest.param(
            [of_type({"type": "map", "values": "string"})],
            [of_type({"type": "map", "values": "boolean"})],
            "a value of field 'field' is string, where boolean is expected",
            id="other values",
        ),
        pytest.param(
            [of_type({"type": "array", "items": "string"})],
            [of_type({"type": "map", "values": "string"})],
            "is array, where map is expected",
            id="a list becomes a map",
        ),
    ],
)
def test_a_breaking_change_fails_and_says_where(older: list[Any], newer: list[Any], sentence: str) -> None:
    found = list(breaks([version(1, older), version(2, newer)]))

    assert any(sentence in problem for problem in found), found
    assert all(problem.startswith("thing.made: version ") for problem in found)


def test_another_record_name_fails() -> None:
    (first, _) = found = list(breaks([version(1, [ID]), version(2, [ID], name="tillstream.ThingBuilt")]))

    assert len(found) == 2
    assert "is called tillstream.ThingMade in one and tillstream.ThingBuilt in the other" in first


def test_versions_that_are_no_neighbours_are_compared_too() -> None:
    """Each step alone is fine, but the third version takes up the name of the first with another type."""
    first = version(1, [ID, of_type("string", default="")])
    second = version(2, [ID])
    third = version(3, [ID, of_type("int", default=0)])

    assert list(breaks([first, second])) == list(breaks([second, third])) == []
    assert len(list(breaks([first, second, third]))) == 2


def test_a_change_deep_inside_is_found() -> None:
    def nested(kind: str) -> dict[str, Any]:
        inner = {"type": "record", "name": "Part", "fields": [{"name": "size", "type": kind}]}
        return {"name": "parts", "type": {"type": "array", "items": inner}}

    problems = list(breaks([version(1, [nested("int")]), version(2, [nested("string")])]))

    assert len(problems) == 2
    assert "field 'size' is string, where int is expected" in problems[0]


def test_different_events_need_not_agree() -> None:
    other = Record("thing.sold", 1, "", version(1, [of_type("int")]).schema)

    assert list(breaks([version(1, [of_type("string")]), other])) == []


def test_what_passes_can_be_read_by_avro_itself_and_what_fails_cannot() -> None:
    """The checker agrees with an implementation of Avro's own rules on data that is really there."""
    older, newer = version(1, [ID]).schema, version(2, [ID, LABELS]).schema
    written = BytesIO()
    fastavro.schemaless_writer(written, older, {"thing_id": "t"})

    written.seek(0)
    assert fastavro.schemaless_reader(written, older, newer) == {"thing_id": "t", "labels": []}
    written.seek(0)
    with pytest.raises(fastavro.read.SchemaResolutionError):
        fastavro.schemaless_reader(written, older, version(2, [ID, of_type("string")]).schema)


def test_our_own_records_are_compatible() -> None:
    records = read_records()

    assert records
    assert list(breaks(records)) == []


def version(number: int, fields: list[Any], name: str = "tillstream.ThingMade") -> Record:
    text = json.dumps({"type": "record", "name": name, "fields": fields})
    schema = fastavro.parse_schema(json.loads(text))
    assert isinstance(schema, dict)
    return Record("thing.made", number, text, schema)
