"""Numbering on a real Postgres: gapless, chained, in order, whatever the order of the commits."""

import random
import re
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg import Connection

from commands.publisher import epoch, facts, numbering
from commands.publisher.epoch import Fenced
from commands.publisher.numbering import is_due, number
from eventlog import numbered
from eventlog.numbered import Numbered
from eventlog.topics import partition_of
from schemas.chain import GENESIS, link
from schemas.envelope import Envelope, written
from tests.commands.publisher.writing import rows, write

Connect = Callable[[], Connection[Any]]

PARTITIONS = 12


def places(connection: Connection[Any]) -> list[tuple[str, int]]:
    """The streams and versions, in the order of the log."""
    return rows(connection, "SELECT stream, version FROM store.positions ORDER BY position")


def assert_whole(log: Sequence[Numbered]) -> None:
    """Positions without a gap from 1, and each hash made anew from what stands there."""
    previous_hash = GENESIS
    for position, fact in enumerate(log, start=1):
        assert fact.position == position
        assert fact.previous_hash == previous_hash
        assert fact.hash == link(previous_hash, position=position, written=fact.written, value=fact.value)
        previous_hash = fact.hash


def test_facts_get_positions_from_1_each_chained_to_the_one_before(connection: Connection[Any], own_epoch: int) -> None:
    for version in (1, 2, 3):
        write(connection, ("pay_1", version), ("wal_1", version))

    numbered = number(connection, PARTITIONS, 100, own_epoch)

    assert facts.read(connection, 0, 100, PARTITIONS) == numbered
    assert_whole(numbered)
    assert [(fact.stream, fact.version) for fact in numbered] == places(connection)
    assert [fact.partition for fact in numbered] == [partition_of(b"pay_1", 12), partition_of(b"wal_1", 12)] * 3
    assert not is_due(connection)


def test_postgres_writes_an_envelope_down_as_python_does(connection: Connection[Any], own_epoch: int) -> None:
    connection.execute("SET TimeZone TO 'Asia/Kathmandu'")
    write(connection, ("pay_1", 1), ("wal_ü", 1))
    connection.execute("SET session_replication_role = replica")  # Facts are never changed otherwise.
    connection.execute("UPDATE store.events SET recorded_at = date_trunc('second', recorded_at) WHERE stream = 'pay_1'")

    numbered = number(connection, PARTITIONS, 100, own_epoch)

    columns = [field.name for field in fields(Envelope)]
    found = rows(connection, f"SELECT {', '.join(columns)} FROM store.log ORDER BY position")
    envelopes = [Envelope(**dict(zip(columns, row, strict=True))) for row in found]
    assert [fact.written for fact in numbered] == [written(envelope) for envelope in envelopes]
    assert [fact.recorded_at for fact in numbered] == [envelope.recorded_at for envelope in envelopes]


def test_an_empty_outbox_gives_nothing(connection: Connection[Any], own_epoch: int) -> None:
    assert not number(connection, PARTITIONS, 100, own_epoch)


def test_positions_go_on_where_the_last_batch_ended(connection: Connection[Any], own_epoch: int) -> None:
    for version in range(1, 8):
        write(connection, ("pay_1", version))

    sizes = [len(number(connection, PARTITIONS, 3, own_epoch)) for _ in range(3)]

    assert sizes == [3, 3, 1]
    assert_whole(facts.read(connection, 0, 100, PARTITIONS))
    assert facts.read(connection, 3, 100, PARTITIONS) == facts.read(connection, 0, 100, PARTITIONS)[3:]


@pytest.mark.parametrize("statement", [numbering._TAKE, numbered._READ], ids=["take", "read"])
def test_facts_are_looked_up_by_their_keys_even_by_a_plan_that_was_made_for_empty_tables(
    connection: Connection[Any], statement: bytes
) -> None:
    connection.execute("VACUUM (ANALYZE) store.outbox, store.events, store.positions")

    named = statement.decode().replace("%(limit)s", "$1").replace("%(after)s", "$2::bigint")
    plan = "\n".join(line for (line,) in rows(connection, f"EXPLAIN (GENERIC_PLAN) {named}"))

    scans = [line.strip(" ->") for line in plan.splitlines() if " Scan " in line and "CTE" not in line]
    unordered = [scan for scan in scans if not scan.startswith(("Index Scan using", "Subquery Scan"))]
    assert unordered == []
    assert re.search(r"Index Cond: \(\(stream = \w+\.stream\) AND \(version = \w+\.version\)\)", plan)
    assert "Filter" not in plan


def test_a_backlog_is_numbered_in_several_batches_of_one_commit(
    connect: Connect, connection: Connection[Any], own_epoch: int
) -> None:
    for version in range(1, 8):
        write(connection, ("pay_1", version), ("wal_1", version), ("pay_2", version))

    sizes = [len(number(connection, PARTITIONS, 4, own_epoch, batches=3)) for _ in range(2)]

    assert sizes == [18, 3]  # Three times two whole commands; then what is left.
    assert_whole(facts.read(connection, 0, 100, PARTITIONS))
    commits = rows(connection, "SELECT array_agg(position ORDER BY position) FROM store.positions GROUP BY xmin::text")
    assert sorted(commits) == [([*range(1, 19)],), ([19, 20, 21],)]


def test_a_batch_never_cuts_a_command_and_its_facts_are_neighbours(
    connect: Connect, connection: Connection[Any], own_epoch: int
) -> None:
    one, other = connect(), connect()
    ids = {stream: uuid4() for stream in ("pay_one", "pay_other")}
    with one.transaction(), other.transaction():
        for version in (1, 2, 3):  # Both write at the same time, so their ordinals lie among each other.
            write(one, ("pay_one", version), command_id=ids["pay_one"])
            write(other, ("pay_other", version), command_id=ids["pay_other"])
    write(connection, ("pay_later", 1))

    first = number(connection, PARTITIONS, 1, own_epoch)
    second = number(connection, PARTITIONS, 4, own_epoch)

    assert [(fact.stream, fact.version) for fact in first] == [("pay_one", v) for v in (1, 2, 3)]
    assert [fact.stream for fact in second] == ["pay_other"] * 3 + ["pay_later"]


def test_a_writer_that_is_held_open_leaves_no_gap_and_comes_later(
    connect: Connect, connection: Connection[Any], own_epoch: int
) -> None:
    slow = connect()
    with slow.transaction():
        write(slow, ("pay_slow", 1), ("wal_slow", 1))
        write(connection, ("pay_fast", 1))
        number(connection, PARTITIONS, 100, own_epoch)
    number(connection, PARTITIONS, 100, own_epoch)

    assert places(connection) == [("pay_fast", 1), ("pay_slow", 1), ("wal_slow", 1)]
    assert_whole(facts.read(connection, 0, 100, PARTITIONS))


def test_eight_writers_that_commit_in_shuffled_order_leave_one_whole_log(
    connect: Connect, connection: Connection[Any], own_epoch: int
) -> None:
    commands: dict[UUID, list[tuple[str, int]]] = {}
    versions = dict.fromkeys((f"pay_{i}" for i in range(12)), 0)
    claims = threading.Lock()
    busy: set[str] = set()

    def claim(choice: random.Random) -> list[str]:
        with claims:  # Two streams that nobody else writes now: their versions are those of committed facts.
            free = [stream for stream in versions if stream not in busy]
            chosen = choice.sample(free, min(len(free), choice.randint(1, 2)))
            busy.update(chosen)
            return chosen

    def write_commands(seed: int, writer: Connection[Any]) -> None:
        choice = random.Random(seed)
        for _ in range(25):
            streams = claim(choice)
            written = [(stream, versions[stream] + 1 + i) for stream in streams for i in range(choice.randint(1, 3))]
            with writer.transaction():
                command = write(writer, *written)
                time.sleep(choice.uniform(0, 0.01))
            with claims:
                commands[command] = written
                versions.update(dict(written))
                busy.difference_update(streams)

    with ThreadPoolExecutor(8) as executor:
        writers = [executor.submit(write_commands, seed, connect()) for seed in range(8)]
        while not all(writer.done() for writer in writers):
            number(connection, PARTITIONS, 7, own_epoch)
        for writer in writers:
            writer.result()
    while number(connection, PARTITIONS, 7, own_epoch):
        pass

    log = facts.read(connection, 0, 10_000, PARTITIONS)
    assert_whole(log)
    assert len(log) == sum(versions.values())
    for stream, version in versions.items():
        found = [fact.version for fact in log if fact.stream == stream]
        assert found == list(range(1, version + 1))
    order = [(fact.stream, fact.version) for fact in log]
    for command in commands.values():
        if command:
            start = order.index(command[0])
            assert order[start : start + len(command)] == command


def test_a_publisher_of_an_older_epoch_is_fenced_and_numbers_nothing(
    connect: Connect, connection: Connection[Any], own_epoch: int
) -> None:
    write(connection, ("pay_1", 1))
    newer = epoch.take(connect())

    with pytest.raises(Fenced, match="another publisher took over"):
        number(connection, PARTITIONS, 100, own_epoch)
    with pytest.raises(Fenced, match="another publisher took over"):
        epoch.note_checkpoint(connection, own_epoch, 1)

    assert places(connection) == []
    assert epoch.checkpoint(connection) == 0
    assert len(number(connection, PARTITIONS, 100, newer)) == 1


def test_a_new_epoch_waits_for_what_the_old_one_is_writing(
    connect: Connect, connection: Connection[Any], own_epoch: int
) -> None:
    write(connection, ("pay_1", 1))
    with ThreadPoolExecutor(1) as executor:
        with connection.transaction():
            number(connection, PARTITIONS, 100, own_epoch)
            taking = executor.submit(epoch.take, connect())
            time.sleep(0.2)
            waited = not taking.done()
        assert taking.result(5) == own_epoch + 1

    assert waited
    assert places(connection) == [("pay_1", 1)]


def test_the_checkpoint_moves_while_facts_are_being_numbered_and_never_back(
    connect: Connect, connection: Connection[Any], own_epoch: int
) -> None:
    write(connection, ("pay_1", 1))
    with connection.transaction():
        number(connection, PARTITIONS, 100, own_epoch)
        for position in (5, 3):
            epoch.note_checkpoint(connect(), own_epoch, position)

    assert epoch.checkpoint(connection) == 5


def test_without_an_epoch_numbering_keeps_every_publisher_out(
    connect: Connect, connection: Connection[Any], own_epoch: int
) -> None:
    write(connection, ("pay_1", 1))
    with ThreadPoolExecutor(1) as executor:
        with connection.transaction():
            number(connection, PARTITIONS, 100)
            other = connect()
            write(other, ("pay_2", 1))
            other_numbering = executor.submit(number, other, PARTITIONS, 100, own_epoch)
            time.sleep(0.2)
            waited = not other_numbering.done()
        other_numbering.result(5)

    assert waited
    assert_whole(facts.read(connection, 0, 100, PARTITIONS))
    assert places(connection) == [("pay_1", 1), ("pay_2", 1)]
