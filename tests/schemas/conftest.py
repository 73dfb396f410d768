"""A sample of every event, recorded."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from types import NoneType
from typing import Any, get_args, get_type_hints
from uuid import UUID

import pytest

from schemas import chain, codec
from schemas.envelope import Envelope, Recorded
from schemas.names import EVENTS, name_of, topic_of

MOMENT = datetime(2026, 3, 1, 12, 0, 7, 123456, tzinfo=UTC)

SAMPLES: Mapping[Any, Any] = {
    int: 1_234_567,
    bool: True,
    datetime: MOMENT,
    tuple[str, ...]: ("one", "zwei", "三"),
    Mapping[str, str]: {"order": "A-17", "größe": "groß"},
}

Recorder = Callable[..., Recorded]


def sample(cls: type) -> Any:
    """An event with every field filled in, each with something of its own."""
    return cls(**{field.name: _value(field.name, get_type_hints(cls)[field.name]) for field in fields(cls)})


def _value(name: str, annotation: Any) -> Any:
    kinds = (
        [kind for kind in get_args(annotation) if kind is not NoneType]
        if NoneType in get_args(annotation)
        else [annotation]
    )
    return f"{name} ü" if kinds[0] is str else SAMPLES[kinds[0]]


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
        hash = chain.link(previous, position=7, envelope=Envelope(**around), value=value)
        return Recorded(**around, position=7, event=event, value=value, previous_hash=previous, hash=hash)

    return record
