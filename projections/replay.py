"""A replay: new generations built beside the live ones from the whole log, until both stand at the same place.

While it is being built a generation is the replay's own (`building`). It is built up to where its live one stands and no
further, so that it comes to stand beside it whether a projector runs or not; then it is handed to the projectors
(`following`), who bring live and new ones on together, so that both can be compared in one snapshot.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from psycopg import Connection

from eventlog.kafka import KafkaLog, LogInterrupted
from eventlog.log import Batch, Log, Source
from eventlog.store import STORE, StoreLog
from projections import checkpoints, comparison, folding, generations
from projections.checkpoints import Checkpoint, Checkpoints
from projections.comparison import TableComparison
from projections.generations import Generation
from projections.read_model import ReadModel

From = Literal["kafka", "store"]
Progress = Callable[[str, int, int], None]  # what is being done, facts done, facts in all

_FACTS_AT_ONCE = 5_000
_READ_SECONDS = 1.0
_SILENT_READS = 30  # After so many without an answer the log is taken to be away.
_ONLY_ONE = 7_461_002  # The advisory lock of the one replay that may run.
_EVERYTHING = 2**62
_PATIENCE_SECONDS = 10.0
_ATTEMPTS = 5
# How far the clocks of Postgres and the broker may be apart before the next one is tried.
_CLOCKS_APART = (timedelta(minutes=1), timedelta(hours=1), timedelta(days=1))


class NeverTogether(Exception):
    """The new generations and the live ones never stood at the same place."""

    def __init__(self) -> None:
        super().__init__(
            "The new generations never came to stand where the live ones do, so they could not be compared. Is a projector"
            " being started and stopped all the time? Nothing was switched; replay again once it runs steadily."
        )


class AnotherReplayRuns(Exception):
    """One at a time."""

    def __init__(self) -> None:
        super().__init__("Another replay is running on this database; wait for its end, or stop it.")


@dataclass(frozen=True, slots=True)
class Pair:
    """A new generation and the live one that it is to replace; None where there is none yet."""

    new: Generation
    live: Generation | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a replay came to. `new` and `replaced` are schemas by read model; `accepted` is why differences do not matter."""

    source: From
    began_at: datetime
    compared_at: datetime
    new: Mapping[str, str]
    replaced: Mapping[str, str | None]
    tables: Sequence[TableComparison]
    accepted: str | None

    @property
    def is_equal(self) -> bool:
        return all(table.is_equal for table in self.tables)

    @property
    def is_good(self) -> bool:
        """Whether the new generations may answer."""
        return self.is_equal or self.accepted is not None

    @property
    def verdict(self) -> str:
        """One sentence."""
        new = ", ".join(sorted(self.new.values()))
        if not self.tables:
            return f"There was nothing to compare with. Answering from now on: {new}."
        if self.is_equal:
            return f"Every row is equal. Answering from now on: {new}. What they replace is kept up to date."
        if self.is_good:
            return f"Rows differ, which is accepted ({self.accepted}). Answering from now on: {new}."
        return f"Rows differ. Nothing is switched; kept to be looked at until the next replay: {new}."


class Replay:
    """One replay of some read models over autocommit connections. Owns its thread; memory stays flat."""

    def __init__(
        self,
        connection: Connection[Any],
        events: KafkaLog,
        store: StoreLog,
        models: Sequence[ReadModel],
        told: Progress,
    ) -> None:
        self._connection = connection
        self._events = events
        self._store = store
        self._models = models
        self._told = told

    def run(self, source: From, accepted: str | None, keep: Callable[[Outcome], object]) -> Outcome:
        """Build, compare, `keep` the outcome, and switch if it is good; all read models at once, or none.

        Raises `AnotherReplayRuns`, `NeverTogether`, and what reading the log raises.
        """
        began_at = datetime.now(UTC)
        with _only_one(self._connection):
            pairs = self._begin(source)
            self._build(pairs, source)
            try:
                tables = self._compare(pairs)
                outcome = _outcome(source, began_at, pairs, tables, accepted)
                keep(outcome)
            except BaseException:
                self._take_back(pairs)
                raise
            if outcome.is_good:
                self._switch(pairs)
            else:
                self._take_back(pairs)
            return outcome

    def _begin(self, source: From) -> Sequence[Pair]:
        """Empty new generations, in the place of what an earlier replay has left half-built."""
        for leftover in generations.unproven(self._connection, self._models):
            generations.drop(self._connection, leftover)
        live = {generation.model: generation for generation in generations.load(self._connection, self._models, "live")}
        return [
            Pair(generations.create(self._connection, model, "building", source), live.get(model))
            for model in self._models
        ]

    def _build(self, pairs: Sequence[Pair], source: From) -> None:
        """Fold the log into the new generations, up to where the live ones stand."""
        if source == "store":
            self._build_from_store(pairs)
        self._catch_up(pairs)

    def _compare(self, pairs: Sequence[Pair]) -> Sequence[TableComparison]:
        """Hand the new generations to the projectors, and compare them with the live ones in one snapshot.

        Where no projector brings both together, because none runs or one was just killed, it is done here. Afterwards the
        new ones are `following` still; take them back if they shall not be. Raises `NeverTogether`.
        """
        both = [(pair.live, pair.new) for pair in pairs if pair.live is not None]
        for _ in range(_ATTEMPTS):
            generations.set_state(self._connection, [pair.new for pair in pairs], "following")
            found = comparison.compare_when_together(self._connection, both, _PATIENCE_SECONDS)
            if found is not None:
                return found
            self._take_back(pairs)
            self._catch_up(pairs)
        raise NeverTogether

    def _take_back(self, pairs: Sequence[Pair]) -> None:
        """Let the projectors leave the new generations alone. They stay to be looked at; the next replay drops them."""
        generations.set_state(self._connection, [pair.new for pair in pairs], "building")

    def _switch(self, pairs: Sequence[Pair]) -> None:
        """Let the new generations answer. Those that they replace follow; what followed them is dropped."""
        generations.switch(self._connection, [pair.new for pair in pairs])
        replaced = {pair.live for pair in pairs}
        for old in generations.load(self._connection, self._models, "following"):
            if old not in replaced:
                generations.drop(self._connection, old)

    def _catch_up(self, pairs: Sequence[Pair]) -> None:
        """Bring new generations from where they are to where the live ones stand, as they go on. Reads Kafka."""
        held = checkpoints.claim(self._connection, [pair.new for pair in pairs], self._events.sources())
        while behind := _behind(held, targets := self._targets(pairs)):
            self._events.seek(behind)
            held = self._read_up_to(targets, held, self._events, "from Kafka")

    def _read_up_to(self, targets: Mapping[Source, Checkpoint], held: Checkpoints, log: Log, what: str) -> Checkpoints:
        total = sum(target.next_offset for target in targets.values())
        silent = 0
        while behind := _behind(held, targets):
            batches = log.read(_FACTS_AT_ONCE, _READ_SECONDS)
            silent = 0 if batches else silent + 1
            if silent == _SILENT_READS:
                raise LogInterrupted(f"Nothing more could be read of {', '.join(sorted({s.topic for s in behind}))}.")
            held = folding.fold(self._connection, held, [_cut(batch, targets) for batch in batches])
            self._told(what, total - _missing(held, targets), total)
        return held

    def _targets(self, pairs: Iterable[Pair]) -> Mapping[Source, Checkpoint]:
        """Where to stop in each source: where the live generations stand; at its end where there is none."""
        places: dict[Source, Checkpoint] = {}
        live = checkpoints.load(self._connection, [pair.live for pair in pairs if pair.live is not None])
        for pair in pairs:
            standing = live[pair.live] if pair.live is not None else self._ends(pair.new)
            for source, place in standing.items():
                places[source] = min(place, places.get(source, place))
        return places

    def _ends(self, generation: Generation) -> Mapping[Source, Checkpoint]:
        ends = self._events.ends().items()
        return {
            source: Checkpoint(end, _EVERYTHING, 0) for source, end in ends if source.topic in generation.model.topics
        }

    # From the store: by position, and then on in Kafka.

    def _build_from_store(self, pairs: Sequence[Pair]) -> None:
        position = self._position_to_reach(pairs)
        if position == 0:
            return
        new = [pair.new for pair in pairs]
        self._store.seek({STORE: 0})
        held = checkpoints.claim(self._connection, new, [STORE])
        self._read_up_to({STORE: Checkpoint(position, position, 0)}, held, self._store, "from the store")
        places = self._places_in_kafka(position, self._targets(pairs))
        for generation in new:
            read = {source: place for source, place in places.items() if source.topic in generation.model.topics}
            checkpoints.replace(self._connection, generation, read)

    def _position_to_reach(self, pairs: Sequence[Pair]) -> int:
        """The highest position up to which the live generations have seen everything."""
        topics = {topic for model in self._models for topic in model.topics}
        seen = {source: place.last_position for source, place in self._targets(pairs).items()}
        return self._store.complete_up_to(topics, seen)

    def _places_in_kafka(self, position: int, targets: Mapping[Source, Checkpoint]) -> Mapping[Source, Checkpoint]:
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
                raise LogInterrupted("Kafka did not give the facts at which reading is to go on.")
            for batch in batches:
                if batch.facts[0].position > position:
                    return False
                del unchecked[batch.source]
        return True


@contextmanager
def _only_one(connection: Connection[Any]) -> Iterator[None]:
    """Hold off every other replay, for two would drop each other's generations."""
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", [_ONLY_ONE]).fetchone()
    if row is None or not row[0]:
        raise AnotherReplayRuns
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute("SELECT pg_advisory_unlock(%s)", [_ONLY_ONE])


def _outcome(
    source: From, began_at: datetime, pairs: Iterable[Pair], tables: Sequence[TableComparison], accepted: str | None
) -> Outcome:
    return Outcome(
        source=source,
        began_at=began_at,
        compared_at=datetime.now(UTC),
        new={pair.new.model.name: pair.new.schema for pair in pairs},
        replaced={pair.new.model.name: pair.live.schema if pair.live else None for pair in pairs},
        tables=tables,
        accepted=accepted,
    )


def _behind(held: Checkpoints, targets: Mapping[Source, Checkpoint]) -> Mapping[Source, int]:
    """Sources that are not read up to their targets, with where to read on."""
    return {
        source: offset
        for source, offset in checkpoints.lowest(held).items()
        if source in targets and offset < targets[source].next_offset
    }


def _missing(held: Checkpoints, targets: Mapping[Source, Checkpoint]) -> int:
    return sum(targets[source].next_offset - offset for source, offset in _behind(held, targets).items())


def _cut(batch: Batch, targets: Mapping[Source, Checkpoint]) -> Batch:
    """A batch without what lies beyond its target."""
    target = targets.get(batch.source)
    if target is None:
        return Batch(batch.source, 0, [])
    if batch.next_offset <= target.next_offset:
        return batch
    within = [fact for fact in batch.facts if fact.position <= target.last_position]
    return Batch(batch.source, target.next_offset, within)
