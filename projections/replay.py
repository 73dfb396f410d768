"""A replay: new generations built beside the live ones from the whole log, until both stand at the same place.

While it is being built a generation is the replay's own (`building`). It is built up to where its live one stands and no
further, so that it comes to stand beside it whether a projector runs or not; then it is handed to the projectors
(`following`), who bring live and new ones on together, so that both can be compared in one snapshot. A replay that was
killed is taken up again by the next one that asks for the same; nothing outside the read side is ever touched.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from psycopg import Connection

from eventlog.kafka import KafkaLog
from eventlog.log import Source
from eventlog.store import STORE, StoreLog
from projections import checkpoints, comparison, followed, generations, indexes, parking, turns
from projections.building import EVERYTHING, Audience, Builder, places_in_kafka
from projections.checkpoints import Checkpoint
from projections.comparison import TableComparison
from projections.fingerprint import fingerprint
from projections.generations import Generation, Standing
from projections.parking import ParkedKey
from projections.read_model import ReadModel

From = Literal["kafka", "store"]

FROM_WHERE: Mapping[str, str] = {"kafka": "Kafka", "store": "the store"}
_PATIENCE_SECONDS = 10.0
_ATTEMPTS = 5
_NAMED = 5  # So many parked streams are named in a sentence.


class NeverTogether(Exception):
    """The new generations and the live ones never stood at the same place."""

    def __init__(self) -> None:
        super().__init__(
            "The new generations never came to stand where the live ones do, so they could not be compared. Is a projector"
            " being started and stopped all the time? Nothing was switched; replay again once it runs steadily."
        )


@dataclass(frozen=True, slots=True)
class Pair:
    """A new generation and the live one that it is to replace; None where there is none yet."""

    new: Generation
    live: Generation | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a replay came to. `new` and `replaced` are schemas by read model; `accepted` is why differences do not matter;
    `parked` is what stands still in the new ones, because it could not be applied.
    """

    source: From
    began_at: datetime
    compared_at: datetime
    new: Mapping[str, str]
    replaced: Mapping[str, str | None]
    tables: Sequence[TableComparison]
    parked: Sequence[ParkedKey]
    accepted: str | None

    @property
    def name(self) -> str:
        """What a file about it is called."""
        return "-".join(sorted(self.new))

    @property
    def heading(self) -> str:
        new = ", ".join(sorted(self.new.values()))
        return f"{new} from {FROM_WHERE[self.source]}, begun at {self.began_at:%Y-%m-%d %H:%M:%S %Z}."

    @property
    def is_equal(self) -> bool:
        return all(table.is_equal for table in self.tables)

    @property
    def is_good(self) -> bool:
        """Whether the new generations may answer."""
        return self.is_equal or self.accepted is not None

    @property
    def verdict(self) -> str:
        """One sentence, or a few."""
        if not self.parked:
            return self._judgement
        still = ", ".join(sorted({key.stream for key in self.parked})[:_NAMED])
        return (
            f"{self._judgement} What stands still in the new ones, because it could not be applied: {still}"
            f"{' and others' if len(self.parked) > _NAMED else ''}. `python -m consumers parked list` shows why."
        )

    @property
    def _judgement(self) -> str:
        new = ", ".join(sorted(self.new.values()))
        if not self.tables:
            return f"There was nothing to compare with. Answering from now on: {new}."
        if self.is_equal:
            return f"Every row is equal. Answering from now on: {new}. What they replace is kept up to date."
        if self.is_good:
            return f"Rows differ, which is accepted ({self.accepted}). Answering from now on: {new}."
        return (
            f"Rows differ. Nothing is switched; kept to be looked at until the next replay: {new}. To switch to them all"
            " the same, run this again with --accept-differences REASON."
        )


class Replay:
    """One replay of some read models over an autocommit connection, by a builder. Owns its thread; memory stays flat."""

    def __init__(
        self,
        connection: Connection[Any],
        builder: Builder,
        events: KafkaLog,
        store: StoreLog,
        models: Sequence[ReadModel],
        audience: Audience,
    ) -> None:
        self._connection = connection
        self._builder = builder
        self._events = events
        self._store = store
        self._models = models
        self._audience = audience

    def run(self, source: From, accepted: str | None, keep: Callable[[Outcome], object]) -> Outcome:
        """Build, compare, `keep` the outcome, and switch if it is good; all read models at once, or none.

        Raises `AnotherReplayRuns`, `OtherTopics`, `NeverTogether`, and what reading the log raises.
        """
        began_at = datetime.now(UTC)
        with turns.alone_at(self._connection, self._models):
            followed.agree(self._connection, self._events.identities())
            pairs = self._build(self._begin(source, accepted), source)
            try:
                tables = self._compare(pairs)
                outcome = _outcome(source, began_at, pairs, tables, self._parked(pairs), accepted)
                keep(outcome)
            except BaseException:
                if not self._connection.closed:
                    self._take_back(pairs)
                raise
            if outcome.is_good:
                self._switch(pairs, accepted or "every row is equal")
            else:
                generations.set_state(self._connection, [pair.new for pair in pairs], "refused")
            return outcome

    def _parked(self, pairs: Iterable[Pair]) -> Sequence[ParkedKey]:
        new = {pair.new.schema for pair in pairs}
        return [key for key in parking.parked(self._connection, self._models) if key.schema in new]

    # The new generations: what an earlier replay has left, or empty ones.

    def _begin(self, source: From, accepted: str | None) -> Sequence[Pair]:
        live = {generation.model: generation for generation in generations.load(self._connection, self._models, "live")}
        return [
            Pair(
                self._taken_up(model, source, accepted)
                or generations.create(self._connection, model, "building", source, indexes_later=True),
                live.get(model),
            )
            for model in self._models
        ]

    def _taken_up(self, model: ReadModel, source: From, accepted: str | None) -> Generation | None:
        """What a replay of the same kind has left of this read model, to go on with. What cannot be used is dropped."""
        usable: Generation | None = None
        for leftover in filter(_is_leftover, generations.standing(self._connection, [model])):
            generation = Generation(model, leftover.generation)
            if reason := _unusable(leftover, source, accepted):
                generations.drop(self._connection, generation)
                self._audience.say(f"Dropped {leftover.schema}: {reason}.")
            else:
                generations.set_state(self._connection, [generation], "building")
                self._audience.say(
                    f"Going on with {leftover.schema}, begun at {leftover.created_at:%Y-%m-%d %H:%M:%S %Z}."
                )
                usable = generation
        return usable

    # Building, up to where the live ones stand.

    def _build(self, pairs: Sequence[Pair], source: From) -> Sequence[Pair]:
        """Fill the new ones, make their indexes, and fold what the live ones have seen meanwhile."""
        self._fill(pairs, source)
        indexed = indexes.make(self._connection, [pair.new for pair in pairs], self._audience)
        pairs = [Pair(indexed[pair.new], pair.live) for pair in pairs]
        self._fill(pairs, source)
        return pairs

    def _fill(self, pairs: Sequence[Pair], source: From) -> None:
        if source == "store":
            self._fill_from_store(pairs)
        self._catch_up(pairs)

    def _fill_from_store(self, pairs: Sequence[Pair]) -> None:
        """Read the store as far as the live ones have seen everything. Who has a place in Kafka is past that."""
        held = checkpoints.load(self._connection, [pair.new for pair in pairs])
        new = [generation for generation, places in held.items() if not places.keys() - {STORE}]
        if not new:
            return
        targets = self._targets(pairs)
        position = self._position_to_reach(targets)
        if position > 0:
            self._builder.read_store(self._store, new, position)
            places = places_in_kafka(self._events, self._store, position, targets)
            for generation in new:
                read = {source: place for source, place in places.items() if source.topic in generation.model.topics}
                checkpoints.replace(self._connection, generation, read)

    def _position_to_reach(self, targets: Mapping[Source, Checkpoint]) -> int:
        """The highest position up to which the live generations have seen everything."""
        topics = {topic for model in self._models for topic in model.topics}
        seen = {source: place.last_position for source, place in targets.items()}
        return self._store.complete_up_to(topics, seen, self._events.partitions())

    def _catch_up(self, pairs: Sequence[Pair]) -> None:
        """Bring new generations from where they are to where the live ones stand, as they go on."""
        new = [pair.new for pair in pairs]
        while self._builder.read_kafka(self._events, new, self._targets(pairs)):
            pass

    def _targets(self, pairs: Iterable[Pair]) -> Mapping[Source, Checkpoint]:
        """Where to stop in each source: where the live generations stand; at its end where there is none."""
        places: dict[Source, Checkpoint] = {}
        live = checkpoints.load(self._connection, [pair.live for pair in pairs if pair.live is not None])
        ends = self._events.ends() if any(pair.live is None for pair in pairs) else {}
        for pair in pairs:
            standing = live[pair.live] if pair.live is not None else _ends_for(pair.new, ends)
            for source, place in standing.items():
                places[source] = min(place, places.get(source, place))
        return places

    # Comparing, and the switch.

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
        """Let the projectors leave the new generations alone: the next replay goes on with them."""
        generations.set_state(self._connection, [pair.new for pair in pairs], "building")

    def _switch(self, pairs: Sequence[Pair], reason: str) -> None:
        """Let the new generations answer. Those that they replace follow; what followed them is dropped."""
        generations.switch(self._connection, [pair.new for pair in pairs], reason)
        replaced = {pair.live for pair in pairs}
        for old in generations.load(self._connection, self._models, "following"):
            if old not in replaced:
                generations.drop(self._connection, old)


def _ends_for(generation: Generation, ends: Mapping[Source, int]) -> Mapping[Source, Checkpoint]:
    topics = generation.model.topics
    return {source: Checkpoint(end, EVERYTHING, 0) for source, end in ends.items() if source.topic in topics}


def _is_leftover(standing: Standing) -> bool:
    """Whether a replay that was to switch has left it: a generation that never was live."""
    return (
        standing.state in ("building", "refused", "following") and not standing.switched_at and standing.as_of is None
    )


def _unusable(leftover: Standing, source: From, accepted: str | None) -> str | None:
    """Why a replay cannot go on with it; None where it can."""
    if leftover.built_by != fingerprint():
        return "other code has built it"
    if leftover.source != source:
        return f"it was built from {FROM_WHERE[leftover.source]}"
    if leftover.state == "refused" and accepted is None:
        return "its rows differed, and it was not accepted"
    return None


def _outcome(
    source: From,
    began_at: datetime,
    pairs: Iterable[Pair],
    tables: Sequence[TableComparison],
    parked: Sequence[ParkedKey],
    accepted: str | None,
) -> Outcome:
    return Outcome(
        source=source,
        began_at=began_at,
        compared_at=datetime.now(UTC),
        new={pair.new.model.name: pair.new.schema for pair in pairs},
        replaced={pair.new.model.name: pair.live.schema if pair.live else None for pair in pairs},
        tables=tables,
        parked=parked,
        accepted=accepted,
    )
