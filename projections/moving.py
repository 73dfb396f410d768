"""Moving: the read models go on in other topics, which hold the same facts at other places and in other partitions.

It is needed after facts were republished to a new prefix, and after Kafka was lost. The topics that were followed need
not be there any more: what one partition has shown and another has not is taken from the store, so that every generation
stands at one position of the log. From there on the new topics are read.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from psycopg import Connection

from eventlog import publications
from eventlog.kafka import KafkaLog
from eventlog.log import Batch, Source
from eventlog.store import STORE, StoreLog
from eventlog.topics import TopicIdentity, partition_of
from projections import checkpoints, folding, followed, generations, turns
from projections.building import Audience
from projections.checkpoints import Checkpoint, Checkpoints
from projections.generations import Generation
from projections.read_model import ReadModel
from schemas.envelope import Recorded

_FACTS_AT_ONCE = 5_000


class BeginsTooLate(Exception):
    """The new topics lack facts that some read model has not seen."""

    def __init__(self, prefix: str, first: int, position: int) -> None:
        super().__init__(
            f"The topics {prefix}… begin with position {first}, and the read models stand at {position}: what is between them"
            f" would be lost. Republish to another prefix from position {position + 1} on or earlier, and move there."
        )


class AnotherLog(Exception):
    """The new topics hold other facts than the store."""

    def __init__(self, source: Source, position: int) -> None:
        super().__init__(
            f"In {source.topic}, partition {source.partition}, position {position} is not the fact that this store has there:"
            " these topics belong to another store. Set KAFKA_BOOTSTRAP_SERVERS and KAFKA_TOPIC_PREFIX to those that do not."
        )


class Moved(NamedTuple):
    """Where the read models were, where they read on now, and up to which position they have seen everything."""

    before: Mapping[str, TopicIdentity]
    after: Mapping[str, TopicIdentity]
    position: int


class Moving:
    """One move of all read models, over autocommit connections. One that was killed is taken up again by the next."""

    def __init__(
        self,
        connection: Connection[Any],
        events: KafkaLog,
        store: StoreLog,
        models: Sequence[ReadModel],
        prefix: str,
        audience: Audience,
    ) -> None:
        self._connection = connection
        self._events = events
        self._store = store
        self._models = models
        self._prefix = prefix
        self._audience = audience

    def run(self) -> Moved | None:
        """Move to the topics of `events`; None where these are followed already, or nothing is yet.

        Raises `AnotherReplayRuns`, `BeginsTooLate`, `AnotherLog`, and what reading raises. From its first step to its last
        no projector and no replay goes on.
        """
        with turns.alone_at(self._connection, self._models):
            before, after = followed.load(self._connection), self._events.identities()
            if not before or all(
                topic in before and before[topic].id == identity.id for topic, identity in after.items()
            ):
                return None
            kept = generations.load(self._connection, self._models, "live", "following")
            # A topic that only this code knows was never read: nothing of it was seen, however many partitions it has.
            partitions = {topic: before.get(topic, identity).partitions for topic, identity in after.items()}
            first = publications.reach(self._connection, self._prefix).first
            position = _highest(checkpoints.load(self._connection, kept))
            if first > position + 1:
                raise BeginsTooLate(self._prefix, first, position)
            places = self._places_after(position)
            followed.leave(self._connection)
            held = self._level(kept, partitions)
            self._arrive(held, places, after)
            return Moved(before, after, _highest(held))

    def _places_after(self, position: int) -> Mapping[Source, int]:
        """Where to read on in the new topics. Raises `AnotherLog`."""
        places = self._events.places_after(position)
        if before := {source: offset - 1 for source, offset in places.items() if offset > 0}:
            for source, fact in self._events.facts_at(before).items():
                if self._store.hash_at(fact.position) not in (fact.hash, None):
                    raise AnotherLog(source, fact.position)
        return places

    # From the store, what some have seen and others have not.

    def _level(self, kept: Sequence[Generation], partitions: Mapping[str, int]) -> Checkpoints:
        """Take all of them out of the projectors' hands, and bring them to the highest position that any of them has seen."""
        sources = [Source(topic, number) for topic, count in partitions.items() for number in range(count)]
        held = checkpoints.claim(self._connection, kept, sources)
        position = _highest(held)
        done = first = self._complete_up_to(held, partitions)
        self._store.seek({STORE: done})
        while done < position:
            [batch] = self._store.read(_FACTS_AT_ONCE, 0)
            facts = [fact for fact in batch.facts if fact.position <= position]
            held = folding.fold(self._connection, held, _as_in_topics(facts, held, partitions))
            done = batch.next_offset
            self._audience.progress("from the store", min(done, position) - first, position - first)
        return held

    def _complete_up_to(self, held: Checkpoints, partitions: Mapping[str, int]) -> int:
        """The position up to which all of them have seen everything."""
        return min(
            (
                self._store.complete_up_to(
                    generation.model.topics,
                    {source: place.last_position for source, place in places.items()},
                    partitions,
                )
                for generation, places in held.items()
            ),
            default=0,
        )

    # In the new topics.

    def _arrive(self, held: Checkpoints, places: Mapping[Source, int], after: Mapping[str, TopicIdentity]) -> None:
        """Let every generation read on in the new topics, and nobody who had it before. What a replay has half built is
        dropped: it stands elsewhere.
        """
        position = _highest(held)
        epoch = 1 + max((place.epoch for of_one in held.values() for place in of_one.values()), default=0)
        with self._connection.transaction():
            for generation in generations.load(self._connection, self._models, "building", "refused"):
                generations.drop(self._connection, generation)
            for generation in held:
                new = {
                    source: Checkpoint(offset, position, epoch)
                    for source, offset in places.items()
                    if source.topic in generation.model.topics
                }
                checkpoints.replace(self._connection, generation, new)
            followed.arrive(self._connection, after)


def _highest(held: Checkpoints) -> int:
    """The highest position that any of them has seen."""
    return max((place.last_position for places in held.values() for place in places.values()), default=0)


def _as_in_topics(facts: Iterable[Recorded], held: Checkpoints, partitions: Mapping[str, int]) -> Sequence[Batch]:
    """Facts of the store as they would come from the topics that were followed; each batch goes beyond everybody's place.

    Their offsets there are not known, and not needed: nobody will read on in these topics.
    """
    by_source: dict[Source, list[Recorded]] = {}
    for fact in facts:
        source = Source(fact.topic, partition_of(fact.stream.encode(), partitions[fact.topic]))
        by_source.setdefault(source, []).append(fact)
    return [
        Batch(source, 1 + max(places[source].next_offset for places in held.values() if source in places), found)
        for source, found in by_source.items()
        if any(source in places for places in held.values())
    ]
