"""Read models as of a position: generations built to be looked at, which no projector moves and no switch lets answer."""

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import Connection

from eventlog.kafka import KafkaLog
from eventlog.log import Source
from eventlog.store import StoreLog
from projections import checkpoints, followed, generations, indexes, turns
from projections.building import Audience, Builder
from projections.checkpoints import Checkpoint
from projections.fingerprint import fingerprint
from projections.generations import Generation, Standing
from projections.read_model import ReadModel
from projections.replay import From


class KafkaBehind(Exception):
    """Kafka does not hold everything up to the position yet: a generation built from it would lack facts."""

    def __init__(self, position: int, complete_up_to: int) -> None:
        super().__init__(
            f"Kafka does not hold every fact up to position {position} yet; nothing is missing up to {complete_up_to}. Wait"
            " until the publisher has sent the rest, or read from the store (--source store)."
        )


class Past:
    """Builds read models as of one position, over an autocommit connection. `events` is None where the store is read."""

    def __init__(
        self,
        connection: Connection[Any],
        builder: Builder,
        events: KafkaLog | None,
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

    def build(self, position: int) -> Sequence[Generation]:
        """Generations as of this position; those that there are already are taken, half-built ones gone on with.

        Raises `AnotherReplayRuns`, `OtherTopics`, `KafkaBehind`, and what reading the log raises.
        """
        with turns.alone_at(self._connection, self._models):
            kept = [self._begun(model, position) for model in self._models]
            self._fill(kept, position)
            kept = [*indexes.make(self._connection, kept, self._audience).values()]
            self._fill(kept, position)  # Nothing, but for one that is built anew.
            generations.set_state(self._connection, kept, "kept")
            return kept

    def _fill(self, kept: Sequence[Generation], position: int) -> None:
        if self._events is None:
            self._builder.read_store(self._store, kept, position)
        else:
            self._read_kafka(self._events, kept, position)

    def _begun(self, model: ReadModel, position: int) -> Generation:
        source: From = "store" if self._events is None else "kafka"
        for standing in generations.standing(self._connection, [model]):
            if _is_the_same(standing, source, position):
                self._audience.say(
                    f"{standing.schema} is that already."
                    if standing.state == "kept"
                    else f"Going on with {standing.schema}, begun at {standing.created_at:%Y-%m-%d %H:%M:%S %Z}."
                )
                return Generation(model, standing.generation)
        return generations.create(self._connection, model, "building", source, position, indexes_later=True)

    def _read_kafka(self, events: KafkaLog, kept: Sequence[Generation], position: int) -> None:
        followed.agree(self._connection, events.identities())
        targets = {source: Checkpoint(end, position, 0) for source, end in events.ends().items()}
        self._builder.read_kafka(events, kept, targets)
        for generation, places in checkpoints.load(self._connection, kept).items():
            seen: Mapping[Source, int] = {source: place.last_position for source, place in places.items()}
            complete_up_to = self._store.complete_up_to(generation.model.topics, seen, events.partitions())
            if complete_up_to < position:
                raise KafkaBehind(position, complete_up_to)


def _is_the_same(standing: Standing, source: From, position: int) -> bool:
    """Whether this generation is what is asked for, or is becoming it."""
    return (standing.as_of, standing.source, standing.built_by) == (position, source, fingerprint())
