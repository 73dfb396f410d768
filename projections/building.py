"""Building generations from the log, in Kafka or in the store. A batch is a transaction, so work goes on where it stopped."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Protocol

from psycopg import Connection

from eventlog.kafka import KafkaLog, LogInterrupted
from eventlog.log import Batch, Log, Source
from eventlog.store import STORE, StoreLog
from projections import checkpoints, folding
from projections.checkpoints import Checkpoint, Checkpoints
from projections.generations import Generation

Places = Mapping[Source, Checkpoint]

_FACTS_AT_ONCE = 5_000
_READ_SECONDS = 1.0
_SILENT_READS = 30  # After so many without an answer the log is taken to be away.
# How far the clocks of Postgres and the broker may be apart before the next one is tried.
_CLOCKS_APART = (timedelta(minutes=1), timedelta(hours=1), timedelta(days=1))


class Audience(Protocol):
    """Who is told how far things are."""

    def progress(self, what: str, done: int, total: int) -> None:
        """So many facts of so many are done. Told often; `what` names the phase."""
        ...

    def say(self, sentence: str) -> None:
        """Something that an operator should know."""
        ...


class Builder:
    """Folds the log into generations over an autocommit connection, from wherever they stand. Memory stays flat."""

    def __init__(self, connection: Connection[Any], events: KafkaLog, store: StoreLog, audience: Audience) -> None:
        self._connection = connection
        self._events = events
        self._store = store
        self._audience = audience

    def read_kafka(self, generations: Sequence[Generation], targets: Places) -> bool:
        """Go on in Kafka up to the targets. False where all stand there already.

        Raises `LogInterrupted`, `PlaceGone`, and what a record that is no fact of ours raises.
        """
        held = checkpoints.claim(self._connection, generations, self._events.sources())
        if not (behind := _behind(held, targets)):
            return False
        self._events.seek(behind)
        self._read(held, targets, self._events, "from Kafka")
        return True

    def read_store(self, generations: Sequence[Generation], position: int) -> None:
        """Go on in the store up to a position."""
        held = checkpoints.claim(self._connection, generations, [STORE])
        targets = {STORE: Checkpoint(position, position, 0)}
        if behind := _behind(held, targets):
            self._store.seek(behind)
            self._read(held, targets, self._store, "from the store")

    def go_on_in_kafka(self, generations: Iterable[Generation], targets: Places, position: int) -> None:
        """Let generations that were built from the store up to a position be read on in Kafka from there."""
        places = self._places_in_kafka(position, targets)
        for generation in generations:
            read = {source: place for source, place in places.items() if source.topic in generation.model.topics}
            checkpoints.replace(self._connection, generation, read)

    def _read(self, held: Checkpoints, targets: Places, log: Log, what: str) -> None:
        total = sum(target.next_offset for target in targets.values())
        silent = 0
        reached: set[Source] = set()
        self._audience.progress(what, total - _missing(held, targets), total)
        while behind := _behind(held, targets).keys() - reached:
            batches = log.read(_FACTS_AT_ONCE, _READ_SECONDS)
            silent = 0 if batches else silent + 1
            if silent == _SILENT_READS:
                raise LogInterrupted(_silence(behind))
            reached.update(batch.source for batch in batches if _goes_beyond(batch, targets))
            held = folding.fold(self._connection, held, [_cut(batch, targets) for batch in batches])
            self._audience.progress(what, total - _missing(held, targets), total)

    # From the store into Kafka.

    def _places_in_kafka(self, position: int, targets: Places) -> Places:
        """Where to go on in Kafka, who has seen everything up to this position: found by time, and then dropped by position."""
        numbered_at = self._store.numbered_at(position)
        for apart in _CLOCKS_APART:
            offsets = self._events.offsets_since(numbered_at - apart)
            if self._nothing_is_missed(offsets, position):
                break
        else:
            offsets = dict.fromkeys(offsets, 0)
        return {
            source: Checkpoint(min(offset, targets[source].next_offset if source in targets else 0), position, 0)
            for source, offset in offsets.items()
        }

    def _nothing_is_missed(self, offsets: Mapping[Source, int], position: int) -> bool:
        """Whether the facts just before these offsets are all among those up to this position."""
        unchecked = {source: offset - 1 for source, offset in offsets.items() if offset > 0}
        while unchecked:
            self._events.seek(unchecked)
            batches = self._events.read(1, _READ_SECONDS * _SILENT_READS)
            if not batches:
                raise LogInterrupted(_silence(unchecked))
            for batch in batches:
                if batch.facts[0].position > position:
                    return False
                del unchecked[batch.source]
        return True


def _silence(sources: Iterable[Source]) -> str:
    topics = ", ".join(sorted({source.topic for source in sources}))
    return f"Nothing more could be read of {topics} for {_READ_SECONDS * _SILENT_READS:g} seconds."


def _behind(held: Checkpoints, targets: Places) -> Mapping[Source, int]:
    """Sources that are not read up to their targets, with where to read on."""
    return {
        source: offset
        for source, offset in checkpoints.lowest(held).items()
        if source in targets and offset < targets[source].next_offset
    }


def _missing(held: Checkpoints, targets: Places) -> int:
    return sum(targets[source].next_offset - offset for source, offset in _behind(held, targets).items())


def _goes_beyond(batch: Batch, targets: Places) -> bool:
    target = targets.get(batch.source)
    return target is not None and bool(batch.facts) and batch.facts[-1].position > target.last_position


def _cut(batch: Batch, targets: Places) -> Batch:
    """A batch without what lies beyond its target."""
    target = targets.get(batch.source)
    if target is None:
        return Batch(batch.source, 0, [])
    if batch.next_offset <= target.next_offset and not _goes_beyond(batch, targets):
        return batch
    within = [fact for fact in batch.facts if fact.position <= target.last_position]
    return Batch(batch.source, min(batch.next_offset, target.next_offset), within)
