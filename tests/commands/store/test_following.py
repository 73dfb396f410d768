"""Whoever follows the log misses nothing, though writers commit in another order than they began in."""

import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import psycopg
from psycopg import Connection

from commands.publisher import numbering
from commands.store.append import PLAIN, parameters
from commands.store.rows import decide_on
from commands.store.states import Folded, FoldedStreams
from eventlog.store import StoreLog
from tests.commands.store.shopping import Wallets, context, pay_in, wallet

WRITERS = 32
ROUNDS = 6
PARTITIONS = 12

# What readers of `id > last` follow elsewhere: a number from a sequence, drawn when the fact is inserted.
NAIVE = """
CREATE TABLE naive (id bigserial PRIMARY KEY, stream text, version integer);
CREATE FUNCTION draw() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO naive (stream, version) VALUES (NEW.stream, NEW.version); RETURN NULL; END $$;
CREATE TRIGGER draws AFTER INSERT ON store.events FOR EACH ROW EXECUTE FUNCTION draw();
"""

Fact = tuple[str, int]
Read = Callable[[], Sequence[Fact]]


class Follower:
    """A thread of its own that reads on and on. `looks`: how often it has."""

    def __init__(self, read: Read) -> None:
        self.seen: list[Fact] = []
        self.looks = 0
        self._read = read
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Follower":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.is_set():
            self.seen += self._read()
            self.looks += 1


def test_a_reader_of_positions_passes_nothing_by_and_a_reader_of_ids_does(database_url: str) -> None:
    chance, streams, late = random.Random(3), [wallet() for _ in range(WRITERS)], wallet()
    with ExitStack() as closing:
        connections = [
            closing.enter_context(psycopg.connect(database_url, autocommit=True)) for _ in range(WRITERS + 4)
        ]
        slow, numbers, reads, reads_ids, *writers = connections
        slow.execute(NAIVE)
        ours = closing.enter_context(Follower(reader_of_positions(numbers, reads)))
        naive = closing.enter_context(Follower(reader_of_ids(reads_ids)))
        with held_open(slow, late):
            for version in range(ROUNDS):
                commit_shuffled(writers, streams, version, chance)
            wait_for(
                lambda: (late.id, 1) not in ours.seen and len(ours.seen) == WRITERS * ROUNDS, "ours reads the others"
            )
            look_again(naive)
        look_again(ours)
        look_again(naive)
        recorded = slow.execute("SELECT stream, version FROM store.events").fetchall()

    assert sorted(ours.seen) == sorted(recorded), "each fact, and each once"
    assert in_order(ours.seen)
    assert (late.id, 1) in recorded
    assert (late.id, 1) not in naive.seen


def reader_of_positions(numbers: Connection[Any], reads: Connection[Any]) -> Read:
    """Number as the publisher does, and read on from the last position."""
    log = StoreLog(reads)

    def read() -> Sequence[Fact]:
        numbering.number(numbers, PARTITIONS, 100)
        return [(fact.stream, fact.version) for batch in log.read(100, 0) for fact in batch.facts]

    return read


def reader_of_ids(connection: Connection[Any]) -> Read:
    """Read on from the last id."""
    last = 0

    def read() -> Sequence[Fact]:
        nonlocal last
        rows = connection.execute("SELECT id, stream, version FROM naive WHERE id > %s ORDER BY id", [last]).fetchall()
        last = rows[-1][0] if rows else last
        return [(stream, version) for _, stream, version in rows]

    return read


@contextmanager
def held_open(connection: Connection[Any], stream: Wallets) -> Iterator[None]:
    """Write the first fact of a stream now, and commit it at the end."""
    connection.execute("BEGIN")
    append(connection, stream, 0)
    yield
    connection.execute("COMMIT")


def commit_shuffled(
    writers: Sequence[Connection[Any]], streams: Sequence[Wallets], after: int, chance: random.Random
) -> None:
    """One more fact in each stream, inserted in their order and committed in another one."""
    for writer, stream in zip(writers, streams, strict=True):
        writer.execute("BEGIN")
        append(writer, stream, after)
    for writer in chance.sample(writers, k=len(writers)):
        writer.execute("COMMIT")


def append(connection: Connection[Any], stream: Wallets, after: int) -> None:
    write = decide_on(FoldedStreams({stream.id: Folded(None, after)}), context(), pay_in(stream))
    connection.execute(PLAIN, parameters([[write]]), binary=True)


def look_again(follower: Follower) -> None:
    """Return once it has begun to look after this moment, and is through with that."""
    looks = follower.looks
    wait_for(lambda: follower.looks >= looks + 2, "it looks again")


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, f"not within a minute: {what}"
        time.sleep(0.01)


def in_order(facts: Sequence[Fact]) -> bool:
    versions = defaultdict(list)
    for stream, version in facts:
        versions[stream].append(version)
    return all(found == list(range(1, len(found) + 1)) for found in versions.values())
