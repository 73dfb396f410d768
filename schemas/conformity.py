"""Whether the records keep what this code and its readers rely on: ids for ever, the events' own fields, numbers that fit."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import datetime
from itertools import groupby
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from schemas.contracts import TIMESTAMP, Given, Record, fingerprint, meaning
from schemas.names import TOPICS

MAX_ID = 2**31 - 1  # Registry ids are signed 32-bit numbers in most clients.

# Numbers that may outgrow 32 bits: money and credits, whatever became of them (a time says by its logical type that it is one).
# For the rest an `int` does, and is a plain number in every language.
_LONGS = (
    *("_minor", "_minor_total", "credits", "amount", "balance", "held", "remaining", "shortfall", "debt"),
    *("revoked", "restored"),
    "quantity",  # of usage, which may be bytes
)

_TYPES: Mapping[Any, Sequence[Any]] = {
    str: ("string",),
    bool: ("boolean",),
    int: ("int", "long"),
    datetime: (TIMESTAMP,),
    tuple[str, ...]: ({"type": "array", "items": "string"},),
    Mapping[str, str]: ({"type": "map", "values": "string"},),
}


def departures(records: Sequence[Record], ids: Mapping[str, Given], events: Mapping[str, type]) -> Iterator[str]:
    """A sentence for everything that is not as it must be, and what to do. `records` in order of type and version."""
    yield from _ids(records, ids)
    newest = {}
    for event_type, versions in groupby(records, key=lambda record: record.event_type):
        found = list(versions)
        newest[event_type] = found[-1]
        yield from _versions(event_type, found)
    for record in records:
        yield from _shape(record)
    for event_type, cls in events.items():
        if event_type in newest:
            yield from _fit(newest[event_type], cls)
        else:
            yield f"{event_type} has no record: write schemas/records/{event_type}/1.avsc."


def with_new_ids(records: Iterable[Record], ids: Mapping[str, Given]) -> dict[str, Given]:
    """The ids, and a new one for each record that has none: the next number, for none is ever given twice."""
    given = dict(ids)
    following = max((entry.id for entry in ids.values()), default=0) + 1
    for record in records:
        if record.label not in given:
            given[record.label] = Given(following, fingerprint(record.schema))
            following += 1
    return given


def _ids(records: Sequence[Record], ids: Mapping[str, Given]) -> Iterator[str]:
    for record in records:
        if record.label not in ids:
            yield f"{record.label} has no id: run `python -m schemas register`."
        elif fingerprint(record.schema) != ids[record.label].sha256:
            yield (
                f"{record.label} is not what it was when it got its id, and facts may stand in the log as it was: "
                f"put it back, and write the change as the next version."
            )
    for label in sorted(ids.keys() - {record.label for record in records}):
        yield f"{label} has id {ids[label].id}, but its file is gone: put it back, for facts may stand in the log with that id."
    for id, count in Counter(given.id for given in ids.values()).items():
        if count > 1:
            yield f"id {id} is given to {count} records; each has its own, for ever: give the later ones a new one."
        if not 0 < id <= MAX_ID:
            yield f"id {id} does not lie between 1 and {MAX_ID}."


def _versions(event_type: str, found: Sequence[Record]) -> Iterator[str]:
    numbers = [record.version for record in found]
    if numbers != list(range(1, len(numbers) + 1)):
        yield f"{event_type} has the versions {numbers}: they count from 1 without a gap."
    if event_type.partition(".")[0] not in TOPICS:
        yield f"{event_type} has no topic: add the first word of its name to TOPICS in schemas/names.py."


def _shape(record: Record) -> Iterator[str]:
    if not record.schema.get("doc"):
        yield f"{record.label} has no doc: say in a sentence what happened in the world."
    if record.schema["fields"][:1] != [record.fields.get("actor")] or record.fields["actor"]["type"] != "string":
        yield f"{record.label} must have `actor` (string) as its first field: who caused it, as type:id."
    for name, schema in _all_fields(record.schema):
        if _is_long(schema) and not name.endswith(_LONGS):
            yield f"{record.label}: {name} is a long without need: make it an int, or add it to _LONGS with a reason."


def _all_fields(schema: Any) -> Iterator[tuple[str, Any]]:
    """Names and types of a record's fields, and of those of the records in its arrays."""
    for field in schema["fields"]:
        yield field["name"], field["type"]
        items = field["type"].get("items") if isinstance(field["type"], dict) else None
        if isinstance(items, dict):
            yield from _all_fields(items)


def _is_long(schema: Any) -> bool:
    branches = schema if isinstance(schema, list) else [schema]
    return any(meaning(branch) == "long" for branch in branches)


def _fit(record: Record, cls: type) -> Iterator[str]:
    """Whether the newest record of an event is its class, field by field, with `actor` before."""
    if record.name != f"tillstream.{cls.__name__}":
        yield f"{record.label} is called {record.name}, but its class {cls.__name__}: name it tillstream.{cls.__name__}."
    expected = ["actor", *(field.name for field in fields(cls))]
    if list(record.fields) != expected:
        yield f"{record.label} has the fields {', '.join(record.fields)}, but must have {', '.join(expected)}, in this order."
        return
    yield from (f"{record.label}: {problem}" for problem in _fields_fit(record.fields, cls))


def _fields_fit(written: Mapping[str, Any], cls: type) -> Iterator[str]:
    annotations = get_type_hints(cls)
    for field in fields(cls):
        yield from _field_fit(written[field.name], field, annotations[field.name])


def _field_fit(written: Mapping[str, Any], field: Field[Any], annotation: Any) -> Iterator[str]:
    if not _fits(annotation, written["type"]):
        yield f"{field.name} is {written['type']}, which does not hold the event's {annotation}."
    default = _default_of(field, annotation)
    if default is not MISSING and ("default" not in written or written["default"] != default):
        yield f"{field.name} needs the default {default!r}, as in the event's class."


def _fits(annotation: Any, schema: Any) -> bool:
    if NoneType in get_args(annotation):
        (inner,) = (kind for kind in get_args(annotation) if kind is not NoneType)
        return isinstance(schema, list) and schema[0] == "null" and len(schema) == 2 and _fits(inner, schema[1])
    if get_origin(annotation) is tuple and is_dataclass(get_args(annotation)[0]):
        return _fits_parts(get_args(annotation)[0], schema)
    return any(schema == kind for kind in _TYPES.get(annotation, ()))


def _fits_parts(cls: Any, schema: Any) -> bool:
    """Whether a field holds objects of another class: an array of records that are that class, field by field."""
    items = schema.get("items") if isinstance(schema, dict) else None
    if not isinstance(items, dict) or items.get("name") != f"tillstream.{cls.__name__}":
        return False
    written = {field["name"]: field for field in items["fields"]}
    return list(written) == [field.name for field in fields(cls)] and not any(_fields_fit(written, cls))


def _default_of(field: Field[Any], annotation: Any) -> Any:
    """The default that the record must have, as JSON has it; MISSING where it needs none."""
    if field.default_factory is not MISSING:
        return field.default_factory()
    if field.default is MISSING:
        return None if NoneType in get_args(annotation) else MISSING
    return list(field.default) if isinstance(field.default, tuple) else field.default
