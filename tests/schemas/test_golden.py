"""What was ever published stays readable: golden values, and every version's data read with every other version."""

import subprocess
from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from itertools import permutations
from pathlib import Path
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import codec, golden
from schemas.contracts import FOLDER, Contract, Record, contracts, read_records
from tests.schemas.test_compatibility import version

OURS = list(contracts().values())

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)


@pytest.mark.parametrize("contract", OURS, ids=lambda contract: contract.record.label)
def test_the_golden_value_of_every_version_reads_and_writes_as_ever(contract: Contract) -> None:
    assert list(golden.departures([contract], golden.read_all([contract]))) == []


def test_a_golden_value_never_changes_once_it_is_there() -> None:
    """In the whole history no golden file was ever modified, renamed or deleted."""
    log = [
        "git",
        "log",
        "--format=",
        "--name-status",
        "--diff-filter=MRD",
        "HEAD",
        "--",
        "schemas/records/*.golden.json",
    ]
    found = subprocess.run(log, cwd=FOLDER.parent, capture_output=True, text=True, check=False)
    if found.returncode:
        pytest.skip("this is no checkout with a history")

    assert found.stdout == ""


def test_what_a_golden_value_would_tell_of_a_change() -> None:
    contract = next(c for c in OURS if c.record.event_type == "payment.succeeded")
    label, good = contract.record.label, golden.make(contract)

    def problems(value: golden.Golden) -> list[str]:
        return list(golden.departures([contract], {label: value}))

    assert problems(good) == []
    assert "no golden value" in next(iter(golden.departures([contract], {})))
    assert "cannot be read any more" in problems(replace(good, value=good.value[:-1]))[0]
    assert "something else" in problems(replace(good, record={**good.record, "currency": "eur"}))[0]
    other = codec.frame(next(c.id for c in OURS if c is not contract)) + good.value[5:]
    assert problems(replace(good, value=other))


def test_a_new_record_gets_its_golden_value_and_an_old_one_keeps_its(tmp_path: Path) -> None:
    (tmp_path / "records" / "payment.succeeded").mkdir(parents=True)
    contract = next(c for c in OURS if c.record.event_type == "payment.succeeded")

    golden.write(contract, tmp_path)
    written = golden.read_all([contract], tmp_path)
    (tmp_path / "records" / "payment.succeeded" / f"{contract.record.version}.golden.json").write_text(
        '{"value": "00", "record": {}}'
    )
    golden.write(contract, tmp_path)

    assert written == {contract.record.label: golden.make(contract)}
    assert golden.read_all([contract], tmp_path)[contract.record.label].value == b"\0"


def data(schema: Any) -> st.SearchStrategy[Any]:
    """Anything that a schema of ours allows."""
    match schema:
        case "string":
            return TEXT
        case "boolean":
            return st.booleans()
        case "int":
            return st.integers(-codec.MAX_INT, codec.MAX_INT)
        case "long" | {"logicalType": "timestamp-micros"}:
            return st.integers(0, codec.MAX_LONG)
        case "null":
            return st.none()
        case list():
            return st.one_of([data(branch) for branch in schema])
        case {"type": "array", "items": items}:
            return st.lists(data(items), max_size=3)
        case {"type": "map", "values": values}:
            return st.dictionaries(TEXT, data(values), max_size=3)
        case {"type": "record", "fields": fields}:
            return st.fixed_dictionaries({field["name"]: data(field["type"]) for field in fields})
        case {"type": inner}:
            return data(inner)
    raise TypeError(schema)


MADE_UP = [
    version(1, [{"name": "id", "type": "string"}, {"name": "note", "type": ["null", "string"], "default": None}]),
    version(
        2,
        [
            {"name": "id", "type": "string"},
            {"name": "labels", "type": {"type": "array", "items": "string"}, "default": []},
        ],
    ),
]


def pairs() -> Sequence[tuple[Record, Record]]:
    """Every two versions of a record, both ways; two made up ones too, for there may be none of ours."""
    ours = [pair for pair in permutations(read_records(), 2) if pair[0].event_type == pair[1].event_type]
    return [*permutations(MADE_UP, 2), *ours]


@settings(deadline=None)  # On a busy machine one of them takes its time.
@given(drawn=st.data())
def test_whatever_one_version_writes_every_other_one_reads(drawn: st.DataObject) -> None:
    writer, reader = drawn.draw(st.sampled_from(pairs()))
    record = drawn.draw(data(writer.schema))
    written = BytesIO()
    fastavro.schemaless_writer(written, writer.schema, record)
    written.seek(0)
    as_written = fastavro.schemaless_reader(BytesIO(written.getvalue()), writer.schema, None)

    read = fastavro.schemaless_reader(written, writer.schema, reader.schema)

    assert isinstance(read, dict)
    assert isinstance(as_written, dict)
    for name, field in reader.fields.items():
        assert read[name] == (as_written[name] if name in writer.fields else field["default"])
