"""The records keep what code and readers rely on."""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import fastavro
import pytest

from schemas.conformity import departures, with_new_ids
from schemas.contracts import FOLDER, ContractsIncomplete, Given, Record, fingerprint, read_ids, read_records, write_ids
from schemas.names import EVENTS


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectMoved:
    """An event with a field of every type."""

    project_id: str
    moved_at: datetime
    fee_minor: int
    urgent: bool
    note: str | None
    labels: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)


FIELDS: list[dict[str, Any]] = [
    {"name": "actor", "type": "string"},
    {"name": "project_id", "type": "string"},
    {"name": "moved_at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    {"name": "fee_minor", "type": "long"},
    {"name": "urgent", "type": "boolean"},
    {"name": "note", "type": ["null", "string"], "default": None},
    {"name": "labels", "type": {"type": "array", "items": "string"}, "default": []},
    {"name": "metadata", "type": {"type": "map", "values": "string"}, "default": {}},
]


def test_our_own_records_conform() -> None:
    assert list(departures(read_records(), read_ids(), EVENTS)) == []


def test_a_record_that_fits_its_class_conforms() -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"name": "project_id", "type": "int"}, "project_id is int, which does not hold the event's <class 'str'>"),
        ({"name": "moved_at", "type": "string"}, "moved_at is string"),
        ({"name": "fee_minor", "type": "double"}, "fee_minor is double"),
        ({"name": "note", "type": "string"}, "note is string"),
        ({"name": "note", "type": ["null", "string"]}, "note needs the default None"),
        ({"name": "labels", "type": {"type": "array", "items": "string"}}, "labels needs the default []"),
        (
            {"name": "labels", "type": {"type": "array", "items": "string"}, "default": ["a"]},
            "labels needs the default []",
        ),
        ({"name": "metadata", "type": {"type": "map", "values": "int"}, "default": {}}, "metadata is {"),
        ({"name": "actor", "type": "int"}, "must have `actor` (string) as its first field"),
    ],
)
def test_a_field_that_does_not_fit_is_found(changed: dict[str, Any], sentence: str) -> None:
    fields = [changed if known["name"] == changed["name"] else known for known in FIELDS]

    assert any(sentence in problem for problem in found(fields))


def test_a_field_that_is_missing_or_too_many_is_found() -> None:
    assert "must have actor, project_id" in found(FIELDS[:-1])[0]
    assert "must have actor, project_id" in found([*FIELDS, {"name": "more", "type": "string"}])[0]
    assert any("first field" in problem for problem in found(FIELDS[1:]))


def test_a_long_without_need_is_found() -> None:
    fields = [*FIELDS, {"name": "pages", "type": "long"}]

    assert "project.moved/1: pages is a long without need: make it an int, or add it to _LONGS with a reason." in found(
        fields
    )


def test_a_record_without_docs_or_with_another_name_is_found() -> None:
    assert found(doc="") == ["project.moved/1 has no doc: say in a sentence what happened in the world."]
    assert "name it tillstream.ProjectMoved" in found(name="tillstream.ProjectGone")[0]


def test_an_event_without_a_record_is_found() -> None:
    assert list(departures([], {}, {"project.moved": ProjectMoved})) == [
        "project.moved has no record: write schemas/records/project.moved/1.avsc."
    ]


def test_a_version_that_is_left_out_is_found() -> None:
    assert any("has the versions [2]" in problem for problem in found(version=2))


def test_an_event_type_without_a_topic_is_found() -> None:
    moved = record(event_type="parcel.moved")

    assert list(departures([moved], with_new_ids([moved], {}), {"parcel.moved": ProjectMoved})) == [
        "parcel.moved has no topic: add the first word of its name to TOPICS in schemas/names.py."
    ]


def test_a_record_without_an_id_is_found() -> None:
    assert found(ids={}) == ["project.moved/1 has no id: run `python -m schemas register`."]


def test_a_record_that_changed_after_it_got_its_id_is_found() -> None:
    (problem,) = found(ids={"project.moved/1": Given(1, "another fingerprint")})

    assert "write the change as the next version" in problem


def test_a_record_that_was_taken_away_is_found() -> None:
    (problem,) = found(ids={**with_new_ids([record()], {}), "project.gone/1": Given(2, "")})

    assert problem.startswith("project.gone/1 has id 2, but its file is gone: put it back")


def test_an_id_that_is_used_twice_or_fits_no_client_is_found() -> None:
    first, second = record(), record(version=2)
    twice = {r.label: Given(1, fingerprint(r.schema)) for r in (first, second)}
    beyond = {first.label: Given(2**31, fingerprint(first.schema))}

    assert any("id 1 is given to 2 records" in problem for problem in departures([first, second], twice, {}))
    assert any("between 1 and" in problem for problem in departures([first], beyond, {}))


def test_docs_may_change_after_a_record_got_its_id() -> None:
    assert fingerprint(record(doc="Before.").schema) == fingerprint(record(doc="After.").schema)


def test_new_records_get_the_numbers_after_the_greatest() -> None:
    ids = {"a.b/1": Given(7, "x")}

    given = with_new_ids([record(), record(version=2)], ids)

    assert {label: entry.id for label, entry in given.items()} == {
        "a.b/1": 7,
        "project.moved/1": 8,
        "project.moved/2": 9,
    }


def test_ids_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    ids = {"b.c/1": Given(2, "x"), "a.b/1": Given(1, "y")}

    write_ids(ids, tmp_path)

    assert read_ids(tmp_path) == ids
    assert (tmp_path / "ids.json").read_text().count("\n") == 4


def test_a_label_that_stands_twice_in_ids_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ids.json").write_text('{"a.b/1": {"id": 1, "sha256": "x"}, "a.b/1": {"id": 2, "sha256": "x"}}')

    with pytest.raises(ContractsIncomplete, match=r"a\.b/1 stands twice"):
        read_ids(tmp_path)


@pytest.mark.parametrize("text", ["", "{", '{"type": "record"}', '{"type": "record", "name": "x", "fields": 3}'])
def test_a_file_that_is_no_schema_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "records" / "a.b").mkdir(parents=True)
    (tmp_path / "records" / "a.b" / "1.avsc").write_text(text)

    with pytest.raises(ContractsIncomplete, match=r"records/a\.b/1\.avsc is no Avro schema"):
        read_records(tmp_path)


def test_the_command_passes_good_records_and_stops_at_a_breaking_change(tmp_path: Path) -> None:
    for package in ("schemas", "domain"):
        shutil.copytree(FOLDER.parent / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    passed = command(tmp_path, "check")

    first = tmp_path / "schemas" / "records" / "payment.expired" / "1.avsc"
    breaking = json.loads(first.read_text())
    breaking["fields"][2]["type"] = "int"
    (first.parent / "2.avsc").write_text(json.dumps(breaking))
    registered = command(tmp_path, "register")
    failed = command(tmp_path, "check")

    assert passed.returncode == 0
    assert "FULL_TRANSITIVE" in passed.stdout
    assert registered.stdout == f"payment.expired/2 has id {len(read_records()) + 1}\n"
    assert failed.returncode == 1
    assert "payment.expired: version 2 cannot read what version 1 writes: field 'reason' is string" in failed.stderr
    assert "payment.expired/2: reason is int" in failed.stderr


def command(folder: Path, name: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "schemas", name], cwd=folder, capture_output=True, text=True, check=False
    )


def record(
    fields: list[dict[str, Any]] | None = None,
    name: str = "tillstream.ProjectMoved",
    doc: str = "Moved.",
    version: int = 1,
    event_type: str = "project.moved",
) -> Record:
    schema = fastavro.parse_schema(
        {"type": "record", "name": name, "doc": doc, "fields": FIELDS if fields is None else fields}
    )
    assert isinstance(schema, dict)
    return Record(event_type, version, "", schema)


def found(
    fields: list[dict[str, Any]] | None = None, ids: Mapping[str, Given] | None = None, **changes: Any
) -> list[str]:
    """What is found of a lone record."""
    moved = record(fields, **changes)
    given = with_new_ids([moved], {}) if ids is None else ids
    return list(departures([moved], given, {"project.moved": ProjectMoved}))
