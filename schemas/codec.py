"""Facts to bytes and back: Avro in the Confluent wire format (a zero byte, the schema's id in four bytes, the record)."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from io import BytesIO
from operator import attrgetter
from struct import Struct
from typing import Any, NamedTuple, cast, get_args, get_type_hints

import fastavro

from schemas.contracts import TIMESTAMP, Contract, Schema, contracts, newest
from schemas.names import EVENTS
from schemas.times import to_micros

MAX_LONG = 2**53 - 1  # The greatest whole number that JavaScript holds exactly: its readers throw beyond it.
MAX_INT = 2**31 - 1

_FRAME = Struct(">BI")


class SchemaUnknown(Exception):
    """A value was written with a schema that this checkout does not have: a newer version of the service wrote it."""

    def __init__(self, schema_id: int) -> None:
        super().__init__(
            f"No record in schemas/ has the id {schema_id}: a newer version of the service wrote this fact; deploy it here too."
        )
        self.schema_id = schema_id


class ValueUnreadable(Exception):
    """These bytes are no fact of ours: not framed, cut off, or not the record that their schema id names."""


class NumberTooLarge(ValueError):
    """A number does not fit its Avro type, or would not survive a reader in JavaScript."""

    def __init__(self, event_type: str, field: str, number: int, limit: int) -> None:
        super().__init__(
            f"{event_type}: {field} is {number}, but must lie within ±{limit} so that every reader gets it whole."
        )


class Decoded(NamedTuple):
    """A value as this code understands it. `event` is the domain's dataclass; None where its type is not known here."""

    type: str
    event: object | None
    actor: str


class Codec:
    """Writes the newest version of each event, and reads every version that it is given."""

    def __init__(self, contracts: Iterable[Contract], events: Mapping[str, type]) -> None:
        by_id = {contract.id: contract for contract in contracts}
        current = newest(by_id.values())
        self._writers = {cls: _Writer(cls, current[name]) for name, cls in events.items()}
        self._readers = {
            id: _Reader(events.get(contract.record.event_type), contract, current[contract.record.event_type])
            for id, contract in by_id.items()
        }

    def encode(self, event: object, actor: str) -> tuple[int, bytes]:
        """The newest record of an event: its schema id, and the bytes that are stored, hashed and published.

        Raises `NumberTooLarge`; TypeError for a time without a zone; KeyError for a class that has no event type.
        """
        return self._writers[type(event)].write(event, actor)

    def decode(self, value: bytes) -> Decoded:
        """The event in a value of any version. What this code does not know is dropped, what is missing gets its default.

        Raises `SchemaUnknown` or `ValueUnreadable`.
        """
        reader = self._reader(value)
        record = reader.read(value)
        actor: str = record["actor"]
        return Decoded(reader.event_type, reader.event(record), actor)

    def read_record(self, value: bytes) -> dict[str, Any]:
        """The record in a value just as it was written, `actor` first. Raises `SchemaUnknown` or `ValueUnreadable`."""
        return self._reader(value).read(value)

    def _reader(self, value: bytes) -> "_Reader":
        schema_id = schema_id_of(value)
        reader = self._readers.get(schema_id)
        if reader is None:
            raise SchemaUnknown(schema_id)
        return reader


def schema_id_of(value: bytes) -> int:
    """The id in a value's frame. Raises `ValueUnreadable` where there is no frame."""
    if len(value) <= _FRAME.size or value[0] != 0:
        raise ValueUnreadable(
            "a fact begins with a zero byte, a schema id in four bytes and a record; this value does not"
        )
    schema_id: int = _FRAME.unpack_from(value)[1]
    return schema_id


def frame(schema_id: int) -> bytes:
    """What stands before the record: Confluent's zero byte, and the schema's id."""
    return _FRAME.pack(0, schema_id)


@cache
def _own() -> Codec:
    """Built at the first use: reading files and parsing schemas takes some milliseconds."""
    return Codec(contracts().values(), EVENTS)


def encode(event: object, actor: str) -> tuple[int, bytes]:
    """`Codec.encode` with the records and events of this checkout."""
    return _own().encode(event, actor)


def decode(value: bytes) -> Decoded:
    """`Codec.decode` with the records and events of this checkout."""
    return _own().decode(value)


def read_record(value: bytes) -> dict[str, Any]:
    """`Codec.read_record` with the records and events of this checkout."""
    return _own().read_record(value)


class _Writer:
    """Writes one class's events."""

    def __init__(self, cls: type, contract: Contract) -> None:
        self._id = contract.id
        self._schema = contract.record.schema
        self._frame = frame(contract.id)
        self._fields = _Plain(contract.record.event_type, cls, self._schema)

    def write(self, event: object, actor: str) -> tuple[int, bytes]:
        record = self._fields.of(event)
        record["actor"] = actor
        buffer = BytesIO()
        buffer.write(self._frame)
        fastavro.schemaless_writer(buffer, self._schema, record)
        return self._id, buffer.getvalue()


class _Plain:
    """Makes one class's objects ready for Avro. What its schema asks of each field is worked out once, here."""

    def __init__(self, event_type: str, cls: type, schema: Schema) -> None:
        self._event_type = event_type
        self._names = tuple(field.name for field in fields(cls))
        self._values = _values_of(self._names)
        self._times = tuple(_fields_of(schema, TIMESTAMP))
        limits = {
            **dict.fromkeys(_fields_of(schema, "int"), MAX_INT),
            **dict.fromkeys(_fields_of(schema, "long"), MAX_LONG),
            **dict.fromkeys(self._times, MAX_LONG),
        }
        self._limits = tuple(limits.items())
        self._parts = {name: _Plain(event_type, part, _items(schema, name)) for name, part in _parts_of(cls).items()}

    def of(self, value: object) -> dict[str, Any]:
        record: dict[str, Any] = dict(zip(self._names, self._values(value), strict=True))
        for name in self._times:
            if record[name] is not None:
                record[name] = to_micros(record[name])
        for name, limit in self._limits:
            number = record[name]
            if number is not None and not -limit <= number <= limit:
                raise NumberTooLarge(self._event_type, name, number, limit)
        for name, part in self._parts.items():
            record[name] = [part.of(item) for item in record[name]]
        return record


def _values_of(names: tuple[str, ...]) -> Callable[[object], tuple[Any, ...]]:
    """Gets an object's fields at one go. Of a single one `attrgetter` gives the value itself, not a tuple of it."""
    if len(names) == 1:
        (name,) = names
        return lambda value: (getattr(value, name),)
    return attrgetter(*names)


class _Reader:
    """Reads one schema's values into the class of its event type, as that class is today."""

    def __init__(self, cls: type | None, contract: Contract, current: Contract) -> None:
        self.event_type = contract.record.event_type
        self._schema = contract.record.schema
        self._built = None if cls is None else _Built(cls, self._schema, current.record.schema)

    def read(self, value: bytes) -> dict[str, Any]:
        buffer = BytesIO(value)
        buffer.seek(_FRAME.size)
        try:
            record = cast(dict[str, Any], fastavro.schemaless_reader(buffer, self._schema, None))
        except Exception as error:  # Whatever rotten bytes lead it to: EOFError, IndexError, UnicodeDecodeError, …
            raise ValueUnreadable(f"these bytes are no record of {self.event_type}: {error!r}") from error
        if buffer.tell() != len(value):
            raise ValueUnreadable(f"there are bytes behind the record of {self.event_type}")
        return record

    def event(self, record: dict[str, Any]) -> object | None:
        """The record as an event; takes the record over, for a copy of each would show in a rebuild's time."""
        return self._built and self._built.of(record)


class _Built:
    """Makes one class's objects out of records of one schema: the unknown is dropped, what is missing has a default.

    Their slots are filled one by one: the `__init__` of a frozen dataclass, which guards each, takes three times as long.
    """

    def __init__(self, cls: type, schema: Schema, current: Schema) -> None:
        self._cls = cls
        self._slots = tuple((getattr(cls, field.name).__set__, field.name) for field in fields(cls))
        known = {field.name for field in fields(cls)}
        written = {field["name"] for field in schema["fields"]}
        self._dropped = tuple(written - known)
        self._arrays = tuple(name for name in _fields_of(schema, "array") if name in known)
        self._parts = {
            name: _Built(part, _items(schema, name), _items(current, name))
            for name, part in _parts_of(cls).items()
            if name in written
        }
        self._defaults = {
            field["name"]: _frozen(field["default"])
            for field in current["fields"]
            if field["name"] in known - written and "default" in field
        }
        if without := known - written - self._defaults.keys():
            raise TypeError(f"{cls.__name__} has {', '.join(sorted(without))}, of which its schema says no default.")

    def of(self, record: dict[str, Any]) -> object:
        for name in self._dropped:
            del record[name]
        for name, part in self._parts.items():
            record[name] = [part.of(item) for item in record[name]]
        for name in self._arrays:
            record[name] = tuple(record[name])
        record |= self._defaults
        built: object = object.__new__(self._cls)
        for assign, name in self._slots:
            assign(built, record[name])
        return built


def _parts_of(cls: type) -> Mapping[str, type]:
    """The fields of a class that hold objects of another: `{"portions": Portion}` for `portions: tuple[Portion, ...]`."""
    hints = get_type_hints(cls)
    inner = ((field.name, part) for field in fields(cls) for part in get_args(hints[field.name]))
    return {name: part for name, part in inner if isinstance(part, type) and is_dataclass(part)}


def _items(schema: Schema, field_name: str) -> Schema:
    """The record that stands in a field's array."""
    (field,) = (field for field in schema["fields"] if field["name"] == field_name)
    items: Schema = field["type"]["items"]
    return items


def _fields_of(schema: Schema, wanted: Any) -> Iterator[str]:
    """Names of the fields of one type, be they optional or not. `wanted`: `"int"`, `"array"`, or a logical type's schema."""
    for field in schema["fields"]:
        branches = field["type"] if isinstance(field["type"], list) else [field["type"]]
        if any(branch == wanted or (isinstance(branch, dict) and _plain(branch) == wanted) for branch in branches):
            yield field["name"]


def _plain(branch: Schema) -> Any:
    return branch["type"] if "logicalType" not in branch else branch


def _frozen(default: Any) -> Any:
    return tuple(default) if isinstance(default, list) else default
