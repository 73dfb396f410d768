"""Golden values: one fact of every version of every record, in bytes that every later version of the code must read.

They stand beside the records as `records/<event type>/<version>.golden.json`: the value as Kafka has it, and the same as
JSON. `python -m schemas register` writes one with each new id. What is published is read for ever, so they never change.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro

from schemas import codec
from schemas.contracts import FOLDER, Contract, Schema
from schemas.rendering import plain

_MOMENT = datetime(2026, 3, 1, 12, 0, 7, 123456, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Golden:
    """A value in the wire format, and what stands in it as JSON has it."""

    value: bytes
    record: Mapping[str, Any]


def make(contract: Contract) -> Golden:
    """A value in which every field has something of its own. The same each time."""
    record = _sample("", contract.record.schema)
    return Golden(_framed(contract, record), plain(record))


def read_all(contracts: Iterable[Contract], folder: Path = FOLDER) -> dict[str, Golden]:
    """The golden values that are there, by label (`payment.succeeded/1`)."""
    files = {contract.record.label: _file(contract, folder) for contract in contracts}
    return {label: _read(file) for label, file in files.items() if file.exists()}


def write(contract: Contract, folder: Path = FOLDER) -> None:
    """Write a contract's golden value, unless it has one."""
    golden, file = make(contract), _file(contract, folder)
    text = json.dumps({"value": golden.value.hex(), "record": golden.record}, ensure_ascii=False, indent=2)
    if not file.exists():
        file.write_text(text + "\n", "utf-8")


def departures(contracts: Iterable[Contract], goldens: Mapping[str, Golden]) -> Iterator[str]:
    """A sentence for every golden value that is missing, or that today's code reads or writes in another way."""
    for contract in contracts:
        label = contract.record.label
        if label not in goldens:
            yield f"{label} has no golden value; run `python -m schemas register`."
        else:
            yield from (f"{label}: {problem}" for problem in _problems(contract, goldens[label]))


def _problems(contract: Contract, golden: Golden) -> Iterator[str]:
    try:
        record = codec.read_record(golden.value)
        codec.decode(golden.value)
    except Exception as error:  # Whatever it is, readers would meet it too.
        yield f"its golden value cannot be read any more: {error}"
        return
    if codec.schema_id_of(golden.value) != contract.id:
        yield (
            f"its golden value was written with schema {codec.schema_id_of(golden.value)}, but its id is {contract.id}."
            " If it was never published, delete the file and run `python -m schemas register`."
        )
    if plain(record) != golden.record:
        yield "its golden value reads as something else than it did."
    if _framed(contract, record) != golden.value:
        yield "what its golden value says is written in other bytes today."


def _sample(name: str, schema: Any) -> Any:
    match schema:
        case "string":
            return f"{name} ü 三"
        case "boolean":
            return True
        case "int":
            return codec.MAX_INT
        case "long":
            return codec.MAX_LONG
        case {"logicalType": "timestamp-micros"}:
            return _MOMENT
        case {"type": "array", "items": items}:
            return [_sample(name, items)]
        case {"type": "map", "values": values}:
            return {"größe": _sample(name, values)}
        case {"type": "record", "fields": fields}:
            return {field["name"]: _sample(field["name"], field["type"]) for field in fields}
        case ["null", other] | [other, "null"]:
            return _sample(name, other)
        case {"type": inner}:
            return _sample(name, inner)
    raise TypeError(f"no record of ours has a field like this: {name}, {schema!r}")


def _framed(contract: Contract, record: Mapping[str, Any]) -> bytes:
    written = BytesIO()
    fastavro.schemaless_writer(written, contract.record.schema, record)
    return codec.frame(contract.id) + written.getvalue()


def _file(contract: Contract, folder: Path) -> Path:
    return folder / "records" / contract.record.event_type / f"{contract.record.version}.golden.json"


def _read(file: Path) -> Golden:
    content: Schema = json.loads(file.read_text("utf-8"))
    return Golden(bytes.fromhex(content["value"]), content["record"])
