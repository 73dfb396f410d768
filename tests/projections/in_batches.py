"""Facts as the topics give them, one partition each, so many at a time, without Kafka."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from psycopg import Connection

from eventlog.log import Batch, Source
from projections import checkpoints, folding
from projections.generations import Generation
from schemas.envelope import Recorded
from schemas.names import TOPICS

SOURCES = [Source(topic, 0) for topic in TOPICS.values()]


def in_batches(facts: Sequence[Recorded], at_once: int) -> Iterator[Sequence[Batch]]:
    """A batch of each topic at a time. All of them end at the same offset, as if each fact took one in every topic."""
    for start in range(0, len(facts), at_once):
        some = facts[start : start + at_once]
        yield [
            Batch(source, start + at_once, [fact for fact in some if fact.topic == source.topic]) for source in SOURCES
        ]


def fold_all(
    connection: Connection[Any], into: Collection[Generation], facts: Sequence[Recorded], at_once: int
) -> None:
    """Fold all these facts into new generations."""
    held = checkpoints.claim(connection, into, SOURCES)
    for batches in in_batches(facts, at_once):
        held = folding.fold(connection, held, batches)
