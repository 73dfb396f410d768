"""The port: a log is read in batches, from places that the reader keeps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from schemas.envelope import Recorded


class Source(NamedTuple):
    """Where facts come from, in order: a topic's partition, or the whole store as `("store", 0)`."""

    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Facts of one source in order of position. `next_offset` is where to read on (for the store: the last position)."""

    source: Source
    next_offset: int
    facts: Sequence[Recorded]


class Log(Protocol):
    """Owns its thread (sync). Facts of unknown types come with `event=None`; an unknown schema raises `SchemaUnknown`."""

    def ends(self) -> Mapping[Source, int]:
        """Each source's end as of now: the offset that the next record will get."""
        ...

    def seek(self, places: Mapping[Source, int]) -> None:
        """Read these sources, and only these, from these offsets on."""
        ...

    def read(self, limit: int, timeout_seconds: float) -> Sequence[Batch]:
        """Up to `limit` facts, one batch per source; waits for the first at most `timeout_seconds`."""
        ...
