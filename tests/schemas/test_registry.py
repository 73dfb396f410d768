"""What the registry answers where a record has several versions; `tests/api/test_registry.py` asks it over HTTP."""

import json
from typing import Any

import fastavro
import pytest

from schemas.contracts import Contract, Record, contracts
from schemas.names import EVENTS
from schemas.registry import Registry, RegistryRefusal

SUBJECT = "pay.payments-tillstream.PaymentMoved"
TEXTS = [
    json.dumps({"type": "record", "name": "PaymentMoved", "namespace": "tillstream", "fields": fields}, indent=2)
    for fields in (
        [{"name": "actor", "type": "string"}],
        [{"name": "actor", "type": "string"}, {"name": "size", "type": "int", "default": 0, "doc": "In pieces."}],
    )
]


@pytest.fixture
def registry() -> Registry:
    """One subject with two versions, which have the ids 12 and 30; the newer is given first."""
    return Registry([contract(2, id=30), contract(1, id=12)], "pay.")


def test_versions_count_up_and_latest_is_the_greatest(registry: Registry) -> None:
    assert registry.versions(SUBJECT) == [1, 2]
    assert registry.version(SUBJECT, "latest") == registry.version(SUBJECT, "-1") == registry.version(SUBJECT, "2")
    assert registry.version(SUBJECT, "1")["id"] == 12


def test_a_schema_is_one_line_with_its_docs(registry: Registry) -> None:
    text = registry.schema("30")["schema"]

    assert "\n" not in text
    assert json.loads(text) == json.loads(TEXTS[1])
    assert registry.schema("30").keys() == {"schema"}


@pytest.mark.parametrize(
    "spelling",
    [
        TEXTS[1],
        json.dumps(json.loads(TEXTS[1]), separators=(",", ":")),
        '{"name":"tillstream.PaymentMoved","type":"record","fields":[{"type":{"type":"string","avro.java.string":"String"},'
        '"name":"actor"},{"default":0,"name":"size","type":{"type":"int"}}]}',
    ],
    ids=["as it stands in the file", "without white space", "as Java writes it, without docs"],
)
def test_a_look_up_compares_what_schemas_mean(registry: Registry, spelling: str) -> None:
    assert registry.find(SUBJECT, json.dumps({"schema": spelling}).encode())["version"] == 2


@pytest.mark.parametrize("kind", [{"schemaType": "AVRO"}, {"schemaType": None}, {"references": [], "metadata": None}])
def test_a_look_up_may_name_the_kind_of_schema(registry: Registry, kind: dict[str, Any]) -> None:
    assert registry.find(SUBJECT, json.dumps({"schema": TEXTS[0], **kind}).encode())["version"] == 1


@pytest.mark.parametrize(
    "body",
    [
        {"schema": TEXTS[1].replace('"int"', '"long"')},
        {"schema": TEXTS[1].replace('"default": 0', '"default": 1')},
        {"schema": '"string"'},
        {"schema": 'syntax = "proto3";', "schemaType": "PROTOBUF"},
    ],
)
def test_a_schema_that_means_something_else_is_not_found(registry: Registry, body: dict[str, Any]) -> None:
    assert refused(lambda: registry.find(SUBJECT, json.dumps(body).encode())) == (404, 40403)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"3", b"\xff", b"{}", b'{"schema": 3}', b'{"schema": "{"}', b'{"schema": "{}"}', b'{"schema": "null?"}',
     b'{"schema": "[[[[' + b"[" * 100_000, json.dumps({"schema": "[" * 100_000}).encode()],
    ids=lambda body: body[:20].decode("latin-1") or "nothing",
)  # fmt: skip
def test_rubbish_in_a_look_up_is_an_invalid_schema(registry: Registry, body: bytes) -> None:
    assert refused(lambda: registry.find(SUBJECT, body)) == (422, 42201)


def test_what_is_not_there_has_a_code_of_its_own(registry: Registry) -> None:
    assert refused(lambda: registry.schema("99")) == (404, 40403)
    assert refused(lambda: registry.schema("x")) == (404, 40403)
    assert refused(lambda: registry.versions("another")) == (404, 40401)
    assert refused(lambda: registry.config("another")) == (404, 40401)
    assert refused(lambda: registry.mode("another")) == (404, 40401)
    assert refused(lambda: registry.find("another", b"")) == (404, 40401)
    assert refused(lambda: registry.version(SUBJECT, "3")) == (404, 40402)
    assert [refused(lambda v=v: registry.version(SUBJECT, v)) for v in ("0", "-2", "x", "1.0", "²", "9" * 30)] == [
        (422, 42202)
    ] * 6


def test_subjects_can_be_asked_for_by_their_beginning() -> None:
    registry = Registry(contracts().values(), "pay.")

    assert len(registry.subjects()) == len(registry.subjects(":*:")) == len(EVENTS)
    assert registry.subjects("pay.credits-tillstream.CreditsP") == ["pay.credits-tillstream.CreditsPurchased"]
    assert registry.subjects("other") == []


def refused(answer: Any) -> tuple[int, int]:
    with pytest.raises(RegistryRefusal) as refusal:
        answer()
    return refusal.value.status, refusal.value.code


def contract(version: int, id: int) -> Contract:
    schema = fastavro.parse_schema(json.loads(TEXTS[version - 1]))
    assert isinstance(schema, dict)
    return Contract(id, Record("payment.moved", version, TEXTS[version - 1], schema))
