"""Events of every type, and a way to have them recorded."""

import hashlib
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from schemas import chain, codec
from schemas.envelope import Envelope, Recorded, written
from schemas.names import EVENTS, name_of, topic_of
from tests.schemas.samples import MOMENT, sample

Recorder = Callable[..., Recorded]


@pytest.fixture(params=list(EVENTS.values()), ids=list(EVENTS))
def event(request: pytest.FixtureRequest) -> Any:
    """Each of our events in turn."""
    return sample(request.param)


@pytest.fixture
def record() -> Recorder:
    """Puts an event into a log, at position 7 of it."""

    def record(event: object, **changes: Any) -> Recorded:
        _, value = codec.encode(event, "key:key_4f2a")
        event_type = name_of(event)
        around: dict[str, Any] = {
            "event_id": UUID("0195a1b2-c3d4-7e5f-8a6b-9c0d1e2f3a4b"),
            "type": event_type,
            "topic": topic_of(event_type),
            "stream": "pay_1",
            "version": 3,
            "recorded_at": MOMENT,
            "project_id": "prj_1",
            "actor": "key:key_4f2a",
            "correlation_id": "req_1",
            "causation_id": "evt_1",
            **changes,
        }
        previous = hashlib.sha256(b"what stands before").digest()
        hash = chain.link(previous, position=7, written=written(Envelope(**around)), value=value)
        return Recorded(**around, position=7, event=event, value=value, previous_hash=previous, hash=hash)

    return record
