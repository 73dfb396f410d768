"""What the tables of the event store hold, and what must be true of them whoever wrote them."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, LiteralString
from uuid import UUID

from runtime.postgres import Pool


async def rows(connections: Pool, query: LiteralString, *parameters: Any) -> list[Any]:
    async with connections.connection() as connection:
        return await (await connection.execute(query, parameters)).fetchall()


async def assert_whole(connections: Pool) -> Counter[UUID]:
    """No version is missing, no fact without its outbox row, a stream's in order. Returns each command's number of facts."""
    facts = await rows(connections, "SELECT stream, version, command_id FROM store.events")
    outbox = await rows(connections, "SELECT stream, version, command_id FROM store.outbox ORDER BY ordinal")
    assert sorted(outbox) == sorted(facts)
    assert_gapless(facts)
    assert_ordered(outbox)
    return Counter(command_id for _, _, command_id in facts)


def assert_gapless(facts: Sequence[tuple[str, int, Any]]) -> None:
    versions = defaultdict(set)
    for stream, version, _ in facts:
        versions[stream].add(version)
    assert all(found == set(range(1, len(found) + 1)) for found in versions.values())


def assert_ordered(outbox: Sequence[tuple[str, int, Any]]) -> None:
    versions = defaultdict(list)
    for stream, version, _ in outbox:
        versions[stream].append(version)
    assert all(earlier < later for found in versions.values() for earlier, later in pairwise(found))
