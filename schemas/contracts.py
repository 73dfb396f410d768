"""The files beside this module, read: every version of every event's record, and the id under which a registry knows it."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

import fastavro

Schema = dict[str, Any]

TIMESTAMP: Schema = {"type": "long", "logicalType": "timestamp-micros"}

FOLDER = Path(__file__).parent

# What tells one schema from another. `doc`, `order` and properties that Avro does not know may change at any time.
_MEANING = ("name", "items", "values", "symbols", "size", "logicalType", "precision", "scale")


class ContractsIncomplete(Exception):
    """A record has no id yet, or the files cannot be read. The message says which, and what to do."""


@dataclass(frozen=True, slots=True)
class Record:
    """One version of an event's record: `text` as the file has it, `schema` as fastavro parsed it."""

    event_type: str
    version: int
    text: str
    schema: Schema

    @property
    def label(self) -> str:
        """How people and `ids.json` name it: `payment.succeeded/1`."""
        return f"{self.event_type}/{self.version}"

    @property
    def name(self) -> str:
        """The record's full name: `tillstream.PaymentSucceeded`."""
        name: str = self.schema["name"]
        return name

    @property
    def fields(self) -> Mapping[str, Schema]:
        return {field["name"]: field for field in self.schema["fields"]}


@dataclass(frozen=True, slots=True)
class Contract:
    """A record that may stand in the log, for it has an id. The id is its own for ever, in every installation."""

    id: int
    record: Record


@dataclass(frozen=True, slots=True)
class Given:
    """An id that was given to a record, with the fingerprint that the record had then."""

    id: int
    sha256: str


def read_records(folder: Path = FOLDER) -> list[Record]:
    """All `records/<event type>/<version>.avsc`, in order of type and version. Raises `ContractsIncomplete` for a bad file."""
    records = [_read_record(file) for file in (folder / "records").glob("*/*.avsc")]
    return sorted(records, key=lambda record: (record.event_type, record.version))


def read_ids(folder: Path = FOLDER) -> dict[str, Given]:
    """`ids.json`: which id each record has, by label. Ids are given by `python -m schemas register`."""
    given = json.loads((folder / "ids.json").read_text("utf-8"), object_pairs_hook=_once)
    return {label: Given(**entry) for label, entry in given.items()}


def write_ids(ids: Mapping[str, Given], folder: Path = FOLDER) -> None:
    """Write `ids.json`, one line for each record, in order of id."""
    lines = [
        f'  "{label}": {{"id": {given.id}, "sha256": "{given.sha256}"}}'
        for label, given in sorted(ids.items(), key=lambda entry: entry[1].id)
    ]
    (folder / "ids.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")


@cache
def contracts() -> Mapping[int, Contract]:
    """Every contract of this checkout by id. Raises `ContractsIncomplete` where a record has none."""
    ids = read_ids()
    found = [_contract(record, ids) for record in read_records()]
    return {contract.id: contract for contract in found}


def newest(found: Iterable[Contract]) -> dict[str, Contract]:
    """The newest version of each event type, by type: what is written today."""
    return {c.record.event_type: c for c in sorted(found, key=lambda c: c.record.version)}


def meaning(schema: Any) -> Any:
    """A parsed schema without what readers and writers do not heed (docs, foreign properties), for comparing two of them."""
    match schema:
        case str():
            return schema
        case list():
            return [meaning(branch) for branch in schema]
        case {"type": "record"}:
            return {"type": "record", "name": schema["name"], "fields": [_field(field) for field in schema["fields"]]}
        case {"type": dict() | list() as inner}:
            return meaning(inner)
        case {"type": kind, **rest}:
            kept = {
                key: meaning(rest[key]) if key in ("items", "values") else rest[key] for key in _MEANING if key in rest
            }
            return {"type": kind, **kept} if kept else kind
    raise TypeError(f"no Avro schema: {schema!r}")


def fingerprint(schema: Schema) -> str:
    """SHA-256 of a schema's meaning, hexadecimal. A record that has an id keeps it for ever; its docs may be bettered."""
    text = json.dumps(meaning(schema), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _field(field: Schema) -> Schema:
    default = {"default": field["default"]} if "default" in field else {}
    return {"name": field["name"], "type": meaning(field["type"]), **default}


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, as long as no name stands in it twice, as after a careless merge."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        doubled = next(name for name in names if names.count(name) > 1)
        raise ContractsIncomplete(f"{doubled} stands twice in ids.json: keep the entry that was there first.")
    return found


def _read_record(file: Path) -> Record:
    text = file.read_text("utf-8")
    try:
        schema = cast(Schema, fastavro.parse_schema(json.loads(text)))
        return Record(file.parent.name, int(file.stem), text, schema)
    except Exception as error:  # fastavro raises whatever it stumbles over: KeyError, TypeError and its own.
        raise ContractsIncomplete(f"records/{file.parent.name}/{file.name} is no Avro schema: {error}") from error


def _contract(record: Record, ids: Mapping[str, Given]) -> Contract:
    if record.label not in ids:
        raise ContractsIncomplete(f"{record.label} has no id yet; run `python -m schemas register`.")
    return Contract(ids[record.label].id, record)
