"""Whether every version of a record can read every other one's facts (FULL_TRANSITIVE), found without a registry."""

from collections.abc import Iterable, Iterator
from itertools import groupby, permutations
from typing import Any

from schemas.contracts import Record, Schema, meaning

# Which types a reader may have where the writer had another one: Avro specification, "Schema Resolution".
_PROMOTIONS = {
    "int": {"long", "float", "double"},
    "long": {"float", "double"},
    "float": {"double"},
    "string": {"bytes"},
    "bytes": {"string"},
}


def breaks(records: Iterable[Record]) -> Iterator[str]:
    """A sentence for everything that one version of an event cannot read of another. `records` in order of type and version."""
    for event_type, versions in groupby(records, key=lambda record: record.event_type):
        for reader, writer in permutations(versions, 2):
            for clash in _clashes(reader.schema, writer.schema, "the record"):
                yield f"{event_type}: version {reader.version} cannot read what version {writer.version} writes: {clash}"


def _clashes(reader: Any, writer: Any, place: str) -> Iterator[str]:
    """Why a reader of one schema cannot read another one's data; nothing where it can. `place` names the spot in sentences."""
    match _kind(reader), _kind(writer):
        case _, "union":
            for branch in writer:
                yield from _clashes(reader, branch, place)
        case "union", _:
            if all(any(_clashes(branch, writer, place)) for branch in reader):
                yield _differs(reader, writer, place)
        case "record", "record":
            yield from _record_clashes(reader, writer, place)
        case "array", "array":
            yield from _clashes(reader["items"], writer["items"], f"an item of {place}")
        case "map", "map":
            yield from _clashes(reader["values"], writer["values"], f"a value of {place}")
        case wanted, written:
            same = meaning(reader) == meaning(writer)
            plain = isinstance(reader, str) and isinstance(writer, str)
            if not same and not (plain and wanted in _PROMOTIONS.get(written, ())):
                yield _differs(reader, writer, place)


def _record_clashes(reader: Schema, writer: Schema, place: str) -> Iterator[str]:
    if reader["name"] != writer["name"]:
        yield f"{place} is called {reader['name']} in one and {writer['name']} in the other. A record keeps its name."
        return
    written = {field["name"]: field["type"] for field in writer["fields"]}
    for field in reader["fields"]:
        if field["name"] in written:
            yield from _clashes(field["type"], written[field["name"]], f"field {field['name']!r}")
        elif "default" not in field:
            yield f"field {field['name']!r} is not in it and has no default. Fields that come or go need a default."


def _differs(reader: Any, writer: Any, place: str) -> str:
    return (
        f"{place} is {_spoken(writer)}, where {_spoken(reader)} is expected. "
        "A field keeps its type; for another one, add a new field with a default."
    )


def _kind(schema: Any) -> str:
    if isinstance(schema, list):
        return "union"
    return str(schema["type"]) if isinstance(schema, dict) else str(schema)


def _spoken(schema: Any) -> str:
    """A type as a sentence has it: `null or string`, `timestamp-micros`, `array`."""
    if isinstance(schema, list):
        return " or ".join(_spoken(branch) for branch in schema)
    return str(schema.get("logicalType", _kind(schema))) if isinstance(schema, dict) else str(schema)
