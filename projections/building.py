"""Building generations from the log, in Kafka or in the store. A batch is a transaction, so work goes on where it stopped."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Protocol

from psycopg import Connection

from eventlog.kafka import KafkaLog, LogInterrupted
from eventlog.log import Batch, Log, Source
from eventlog.store import STORE, StoreLog
from projections import checkpoints
from projections.checkpoints import Checkpoint, Checkpoints
from projections.generations import Generation
from projections.lanes import Lanes

Places = Mapping[Source, Checkpoint]

EVERYTHING = 2**62  # A position that no fact ever has.

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
    """Folds the log into generations, from wherever they stand. Memory stays flat.

    It works over autocommit connections of `folding.connect`: over each of them some of the generations are folded, while
    the next batch is read. Targets say for each source where to stop: at an offset, and after a position. What lies beyond
    either is left alone.
    """

    def __init__(self, connections: Sequence[Connection[Any]], audience: Audience) -> None:
        self._connections = connections
        self._audience = audience

    def read_kafka(self, events: KafkaLog, generations: Sequence[Generation], targets: Places) -> bool:
        """Go on in Kafka up to the targets. False where all stand there already.

        Raises `LogInterrupted`, `PlaceGone`, and what a record that is no fact of ours raises.
        """
        return self._read(events, events.sources(), generations, targets, "from Kafka")

    def read_store(self, store: StoreLog, generations: Sequence[Generation], position: int) -> bool:
        """Go on in the store up to a position. False where all stand there already."""
        return self._read(store, [STORE], generations, {STORE: Checkpoint(position, position, 0)}, "from the store")

    def _read(
        self, log: Log, sources: Sequence[Source], generations: Sequence[Generation], targets: Places, what: str
    ) -> bool:
        connection = self._connections[0]
        held = checkpoints.claim(connection, generations, sources)
        targets, silent = dict(targets), 0
        reached = dict(checkpoints.lowest(held))
        if not (behind := _behind(reached, targets)):
            checkpoints.release(connection, held)
            return False
        log.seek(behind)
        with Lanes(self._connections, held) as lanes:
            self._tell(what, lanes.held, targets)
            while behind := _behind(reached, targets):
                batches = log.read(_FACTS_AT_ONCE, _READ_SECONDS)
                silent = 0 if batches else silent + 1
                if silent == _SILENT_READS:
                    raise LogInterrupted(_silence(behind))
                wanted = [batch for batch in batches if batch.source in targets]
                within = [_cut(batch, targets) for batch in wanted]
                lanes.fold(within)
                reached |= {batch.source: max(batch.next_offset, reached[batch.source]) for batch in within}
                targets |= _ended(wanted, targets)
                self._tell(what, lanes.held, targets)
            held = lanes.finish()
        self._tell(what, held, targets)
        checkpoints.release(connection, held)
        return True

    def _tell(self, what: str, held: Checkpoints, targets: Places) -> None:
        total = sum(target.next_offset for target in targets.values())
        behind = _behind(checkpoints.lowest(held), targets)
        missing = sum(targets[source].next_offset - offset for source, offset in behind.items())
        self._audience.progress(what, total - missing, total)


def places_in_kafka(events: KafkaLog, store: StoreLog, position: int, targets: Places) -> Places:
    """Where to go on in Kafka, who has seen everything up to this position: found by time, and then dropped by position."""
    numbered_at = store.numbered_at(position)
    for apart in _CLOCKS_APART:
        offsets = events.offsets_since(numbered_at - apart)
        if _nothing_is_missed(events, offsets, position):
            break
    else:
        offsets = dict.fromkeys(offsets, 0)
    return {
        source: Checkpoint(min(offset, targets[source].next_offset if source in targets else 0), position, 0)
        for source, offset in offsets.items()
    }


def _nothing_is_missed(events: KafkaLog, offsets: Mapping[Source, int], position: int) -> bool:
    """Whether the facts just before these offsets are all among those up to this position."""
    unchecked = {source: offset - 1 for source, offset in offsets.items() if offset > 0}
    while unchecked:
        events.seek(unchecked)
        batches = events.read(1, _READ_SECONDS * _SILENT_READS)
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


def _behind(offsets: Mapping[Source, int], targets: Places) -> Mapping[Source, int]:
    """Sources that are not read up to their targets, with where to read on."""
    return {
        source: offset
        for source, offset in offsets.items()
        if source in targets and offset < targets[source].next_offset
    }


def _ended(batches: Iterable[Batch], targets: Places) -> Places:
    """Targets whose position was passed, with the offset at which that was."""
    return {
        batch.source: targets[batch.source]._replace(next_offset=batch.next_offset)
        for batch in batches
        if _goes_beyond(batch, targets) and batch.next_offset < targets[batch.source].next_offset
    }


def _goes_beyond(batch: Batch, targets: Places) -> bool:
    return bool(batch.facts) and batch.facts[-1].position > targets[batch.source].last_position


def _cut(batch: Batch, targets: Places) -> Batch:
    """A batch without what lies beyond its target."""
    target = targets[batch.source]
    if batch.next_offset <= target.next_offset and not _goes_beyond(batch, targets):
        return batch
    within = [fact for fact in batch.facts if fact.position <= target.last_position]
    return Batch(batch.source, min(batch.next_offset, target.next_offset), within)
