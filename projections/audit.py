"""The audit trail: every fact with who caused it and what it changed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

from psycopg import Cursor
from psycopg.rows import dict_row

from domain.payment import Status
from domain.project import KeyIssued, KeyRevoked, ProductAdded, ProductChanged
from projections import payments
from projections.statements import beside, on
from projections.tables import Table
from runtime.postgres import Pool
from schemas.envelope import Recorded
from schemas.names import TOPICS

name = "audit"
topics = frozenset(TOPICS.values())
stream_prefixes = ("pay_", "sub_", "wal_", "prj_", "usg_")
stream_column = "stream"
tables = beside(__file__)

_FACTS = Table(__file__, "facts")
_WITH_EARLIER = beside(__file__, "with_earlier")
_OF_STREAM = beside(__file__, "of_stream")
_PAGE = (
    "SELECT * FROM {schema}.facts WHERE project_id = %(project_id)s AND position > %(after)s"
    " ORDER BY position LIMIT %(limit)s"
)

Values = Mapping[str, Any]  # JSON values, by field


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One fact in the trail. `new_values` is what it changed or said for the first time, `old_values` what was before.

    A field that was never said before has no old value. A payment's `status` stands among them, though facts do not spell it.
    `actor` is `type:id`, `correlation_id` the id of the request that began it, `hash` the fact's link in the chain.
    """

    position: int
    event_id: UUID
    type: str
    stream: str
    version: int
    project_id: str
    actor: str
    correlation_id: str
    causation_id: str
    recorded_at: datetime
    old_values: Values
    new_values: Values
    hash: bytes


# The fold: a fact is a row.


def row(fact: Recorded) -> dict[str, Any]:
    """The row of one fact."""
    return {
        "position": fact.position,
        "event_id": fact.event_id,
        "type": fact.type,
        "stream": fact.stream,
        "version": fact.version,
        "part": _part(fact.event),
        "project_id": fact.project_id,
        "actor": fact.actor,
        "correlation_id": fact.correlation_id,
        "causation_id": fact.causation_id,
        "recorded_at": fact.recorded_at,
        "data": fact.event,
        "hash": fact.hash,
    }


def apply(facts: Sequence[Recorded], cursor: Cursor[Any], schema: str) -> None:
    """Write one row per fact, by position."""
    _FACTS.write([row(fact) for fact in sorted(facts, key=attrgetter("position"))], cursor, schema)


def _part(event: object) -> str:
    match event:
        case ProductAdded() | ProductChanged():
            return f"product {event.product_id}"
        case KeyIssued() | KeyRevoked():
            return f"key {event.key_id}"
    return ""


# The queries.


async def of_stream(pool: Pool, schema: str, project_id: str, stream: str) -> Sequence[Entry]:
    """Everything that happened to a payment (or any other stream of the project), in order.

    With it comes what happened elsewhere for the same cause, told by the causation id: the credits that a payment bought.
    """
    return await _entries(pool, schema, _OF_STREAM, {"project_id": project_id, "stream": stream})


async def page(pool: Pool, schema: str, project_id: str, *, after_position: int, limit: int) -> Sequence[Entry]:
    """A project's facts in order, from above a position on."""
    parameters = {"project_id": project_id, "after": after_position, "limit": limit}
    return await _entries(pool, schema, _PAGE, parameters)


async def versions(pool: Pool, schema: str, streams: Sequence[str]) -> Mapping[str, int]:
    """The versions up to which these streams are shown."""
    query = on(schema, "SELECT stream, max(version) FROM {schema}.facts WHERE stream = ANY (%b) GROUP BY stream")
    async with pool.connection() as connection:
        return dict(await (await connection.execute(query, [streams])).fetchall())


async def _entries(pool: Pool, schema: str, facts: str, parameters: Mapping[str, Any]) -> Sequence[Entry]:
    query = on(schema, _WITH_EARLIER.replace("{facts}", facts))
    async with pool.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
        return [_entry(row) async for row in await cursor.execute(query, parameters)]


def _entry(row: dict[str, Any]) -> Entry:
    data, earlier = row.pop("data"), row.pop("earlier_data") or {}
    before, after = _statuses(row["type"], row.pop("earlier_types") or ())
    if before is not None:
        earlier["status"] = before.value
    if after is not None:
        data["status"] = after.value
    changed = {field: value for field, value in data.items() if field not in earlier or earlier[field] != value}
    return Entry(**row, old_values={field: earlier[field] for field in changed if field in earlier}, new_values=changed)


def _statuses(event_type: str, earlier_types: Iterable[str]) -> tuple[Status | None, Status | None]:
    """A payment's status before and after a fact: of all that its facts brought it to, the one that is furthest along."""
    reached = [status for earlier in earlier_types if (status := payments.status_after(earlier))]
    before = max(reached, key=lambda status: status.rank, default=None)
    here = payments.status_after(event_type)
    if before is None or here is None:
        return before, here or before
    return before, here if here.rank > before.rank else before
