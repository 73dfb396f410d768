"""The streams that a decision was promised, folded from their stored facts."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from domain.streams import Stream
from schemas import codec

S = TypeVar("S")
E = TypeVar("E")


class StoredFact(NamedTuple):
    """A fact as it is read back: its place, its id, and its bytes."""

    stream: str
    version: int
    event_id: UUID
    payload: bytes


class Folded(NamedTuple):
    """A stream as it stands. Version 0 and no state: nothing happened yet. `last`: the id of the fact that made it so."""

    state: Any
    version: int
    last: UUID | None = None


_NOTHING = Folded(None, 0)


class FoldedStreams:
    """The `States` of a decision: these streams and no others."""

    def __init__(self, folded: Mapping[str, Folded]) -> None:
        self._folded = folded

    def __getitem__(self, stream: Stream[S, E]) -> S | None:
        state: S | None = self.folded(stream.id).state
        return state

    def versions(self) -> dict[str, int]:
        """The version of each stream in which something happened."""
        return {stream_id: folded.version for stream_id, folded in self._folded.items() if folded.version}

    def only(self, streams: Iterable[Stream[Any, Any]]) -> "FoldedStreams":
        """These streams alone, as one of several decisions was promised them."""
        return FoldedStreams({stream.id: self.folded(stream.id) for stream in streams})

    def folded(self, stream_id: str) -> Folded:
        """A stream with its version."""
        assert stream_id in self._folded, f"stream {stream_id} was not promised to this decision: name it in record()"
        return self._folded[stream_id]


def fold(
    streams: Iterable[Stream[Any, Any]], facts: Iterable[StoredFact], known: Mapping[str, Folded] | None = None
) -> dict[str, Folded]:
    """Fold each stream from its facts, which come in order of version (and interleaved as they like).

    `known` has streams as they stood before these facts; the others begin with them.
    """
    kinds = {stream.id: stream.kind for stream in streams}
    folded = dict.fromkeys(kinds, _NOTHING) | dict(known or {})
    for fact in facts:
        event = codec.decode(fact.payload).event
        # Deciding without a fact that happened could pay twice: code that does not know it must not decide here.
        assert event is not None, (
            f"{fact.stream}@{fact.version} is of a type that this version of the code does not know"
        )
        state = kinds[fact.stream].evolve(folded[fact.stream].state, event)
        folded[fact.stream] = Folded(state, fact.version, fact.event_id)
    return folded
