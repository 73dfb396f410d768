"""Streams: where the facts of one thing stand, in order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

State = TypeVar("State")
Event = TypeVar("Event")


@dataclass(frozen=True, slots=True)
class Kind(Generic[State, Event]):
    """All streams of one sort. They share a topic and a fold: `PAYMENTS.at("pay_1")` names one of them."""

    topic: str
    evolve: Callable[[State | None, Event], State]

    def at(self, stream_id: str) -> "Stream[State, Event]":
        return Stream(self, stream_id)

    def fold(self, events: Sequence[Event], state: State | None = None) -> State | None:
        """The state after these events, starting from `state` (None: nothing happened yet)."""
        for event in events:
            state = self.evolve(state, event)
        return state


@dataclass(frozen=True, slots=True)
class Stream(Generic[State, Event]):
    """One stream. Its id is unique over all kinds, and is the key of its records in Kafka."""

    kind: Kind[State, Event]
    id: str

    def facts(self, *events: Event) -> "Facts":
        return Facts(self, events)


@dataclass(frozen=True, slots=True)
class Facts:
    """New events of one stream, to be recorded in this order."""

    stream: Stream[Any, Any]
    events: Sequence[Any]
