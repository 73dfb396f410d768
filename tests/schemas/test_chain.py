"""The hash chain, and its vectors for other languages."""

import hashlib
import json
import struct
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from schemas import chain, codec
from schemas.envelope import Envelope, written

VECTORS = json.loads(Path(chain.__file__).with_name("chain_vectors.json").read_text("utf-8"))["vectors"]

PARTS = """
    position topic key ce_id ce_type streamversion ce_time project correlation causation value
""".split()

ENVELOPE = Envelope(
    event_id=UUID(int=1),
    type="payment.expired",
    topic="payments",
    stream="pay_1",
    version=2,
    recorded_at=datetime(2026, 3, 1, tzinfo=UTC),
    project_id="prj_1",
    actor="key:k",
    correlation_id="req_1",
    causation_id="evt_1",
)


def by_the_description(vector: dict[str, Any]) -> tuple[int, str]:
    """The length of what is hashed and its hash, from nothing but the vectors' own description."""
    hashed = bytes.fromhex(vector["previous_hash"])
    for name in PARTS:
        part = bytes.fromhex(vector[name]) if name == "value" else str(vector[name]).encode()
        hashed += struct.pack(">I", len(part)) + part
    return len(hashed), hashlib.sha256(hashed).hexdigest()


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["position"])
def test_each_vector_is_what_its_description_says_and_what_we_compute(vector: dict[str, Any]) -> None:
    envelope = Envelope(
        event_id=UUID(vector["ce_id"]),
        type=vector["ce_type"],
        topic=vector["topic"],
        stream=vector["key"],
        version=vector["streamversion"],
        recorded_at=datetime.fromisoformat(vector["ce_time"]),
        project_id=vector["project"],
        actor="is hashed as a part of the value",
        correlation_id=vector["correlation"],
        causation_id=vector["causation"],
    )
    previous_hash, value = bytes.fromhex(vector["previous_hash"]), bytes.fromhex(vector["value"])

    ours = chain.link(previous_hash, position=vector["position"], written=written(envelope), value=value)

    assert ours.hex() == vector["hash"]
    assert by_the_description(vector) == (vector["hashed_bytes"], vector["hash"])


def test_the_vectors_begin_a_chain_and_hold_facts_that_we_can_read() -> None:
    assert len(VECTORS) == 3
    assert bytes.fromhex(VECTORS[0]["previous_hash"]) == chain.GENESIS
    assert VECTORS[1]["previous_hash"] == VECTORS[0]["hash"]
    for vector in VECTORS:
        assert codec.decode(bytes.fromhex(vector["value"])).type == vector["ce_type"]


@pytest.mark.parametrize(
    "changes",
    [
        {"event_id": UUID(int=2)},
        {"type": "payment.failed"},
        {"topic": "credits"},
        {"stream": "pay_2"},
        {"version": 3},
        {"recorded_at": ENVELOPE.recorded_at + timedelta(microseconds=1)},
        {"project_id": "prj_2"},
        {"correlation_id": "req_2"},
        {"causation_id": "evt_2"},
        {"topic": "paymentsp", "stream": "ay_1"},  # A byte that moves to its neighbour is seen too.
    ],
)
def test_no_part_of_a_fact_can_change_unseen(changes: dict[str, Any]) -> None:
    assert link(envelope=replace(ENVELOPE, **changes)) != link()


def test_neither_position_nor_value_nor_what_stands_before_can_change_unseen() -> None:
    assert len({link(), link(position=2), link(value=b"w"), link(previous_hash=bytes(31) + b"\1")}) == 4


def link(
    previous_hash: bytes = chain.GENESIS, *, position: int = 1, envelope: Envelope = ENVELOPE, value: bytes = b"v"
) -> bytes:
    return chain.link(previous_hash, position=position, written=written(envelope), value=value)
