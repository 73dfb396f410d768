"""The append statement: writes go in by units, and a verdict on each command comes out."""

import json
from collections.abc import Iterable, Mapping, Sequence, Set
from importlib.resources import files
from typing import Any, Literal, NamedTuple
from uuid import UUID

import orjson
from psycopg import AsyncConnection, errors

from commands.ports import Deadline
from commands.store.arrays import Array, blobs, integers, moments, texts, uuids
from commands.store.outcome import Outcome
from commands.store.rows import EventRow, Write
from commands.store.states import Folded
from vault.port import SealedRecord

_ALL = "accepted AS (SELECT * FROM command), verdict AS (SELECT command_id, 'done' AS word FROM command)"
_APPEND, _CHECKED, _TRUSTED = (
    files(__package__).joinpath(name).read_text() for name in ("append.sql", "checked.sql", "trusted.sql")
)


def _statement(accepted: str) -> bytes:
    """Without comments and spaces: psycopg reads a statement anew for each use if it has more than 4,096 characters."""
    lines = (line.partition("--")[0] for line in _APPEND.format(accepted=accepted).splitlines())
    dense = " ".join(" ".join(lines).split())
    return dense.replace(", ", ",").replace("( ", "(").replace(" )", ")").encode()


PLAIN, CHECKED, TRUSTED = map(_statement, (_ALL, _CHECKED, _TRUSTED))

# A rival wrote the same key first, or each of two waited for the other and this one had to yield.
RIVALS = (errors.UniqueViolation, errors.DeadlockDetected)

_STRICT = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS

Unit = Sequence[Write]  # Commands that share a stream, in the order in which they were decided.


class Verdict(NamedTuple):
    """What became of a command.

    `done`: it is recorded. `seen`: it was recorded before, with `outcome`. `late`: a stream that it writes has moved since
    it was decided on. `queued`: others queue up for one of its streams. `peer`: left out because of another command of its
    unit.
    """

    word: Literal["done", "seen", "late", "queued", "peer"]
    outcome: Outcome | None


DONE = Verdict("done", None)


async def append(connection: AsyncConnection[Any], units: Sequence[Unit]) -> Mapping[UUID, Verdict]:
    """Write these units in one commit; a unit whole, or not at all. The connection is in autocommit mode.

    Plain first, for rivals are rare and looking for them costs as much as writing. Each further try sees the rival at
    which the last one failed, and leaves out one unit at least: so there are as many tries as units, and one.
    """
    statement = PLAIN
    for _ in range(1 + len(units)):
        try:
            return await _run(statement, connection, units)
        except RIVALS:
            statement = CHECKED
    return await _run(CHECKED, connection, units)


async def append_checked(connection: AsyncConnection[Any], units: Sequence[Unit]) -> Mapping[UUID, Verdict]:
    """Look for rivals, then write, once, in whatever transaction the connection is. Raises `RIVALS`."""
    return await _run(CHECKED, connection, units)


async def append_trusted(
    connection: AsyncConnection[Any],
    units: Sequence[Unit],
    decided_on: Sequence[Mapping[str, Folded]],
    again: Set[str],
) -> Mapping[UUID, Verdict]:
    """Write units that were decided on streams as they were last seen: `decided_on` has each unit's. Raises `RIVALS`.

    `late` is then a unit of which any stream has moved, those included that it merely reads. `queued` only those can be that
    come to a stream which is named in `again`.
    """
    asked = {**parameters(units), **_standing(decided_on), **_again(decided_on, again)}
    cursor = await connection.execute(TRUSTED, asked, prepare=True, binary=True)
    done = {write.context.command_id: DONE for unit in units for write in unit}
    return {**done, **verdicts(await cursor.fetchall())}


async def _run(statement: bytes, connection: AsyncConnection[Any], units: Sequence[Unit]) -> Mapping[UUID, Verdict]:
    cursor = await connection.execute(statement, parameters(units), prepare=True, binary=True)
    return verdicts(await cursor.fetchall())


def parameters(units: Sequence[Unit]) -> Mapping[str, Any]:
    """The arrays that the statement takes, one entry each per command, fact, outside id, deadline and sealed record."""
    writes = [(number, write) for number, unit in enumerate(units) for write in unit]
    return {
        **_commands(writes),
        **_facts([(write.context.command_id, event) for _, write in writes for event in write.events]),
        **_refs(
            [(write.context.command_id, *ref, stream) for _, write in writes for ref, stream in write.refs.items()]
        ),
        **_deadlines([(write.context.command_id, deadline) for _, write in writes for deadline in write.deadlines]),
        **_sealed([(write.context.command_id, record) for _, write in writes for record in write.sealed]),
    }


def verdicts(rows: Iterable[tuple[Any, ...]]) -> Mapping[UUID, Verdict]:
    """The statement's answer by command id. Rows: (command_id, word), checked also the standing row of the inbox."""
    return {
        command_id: Verdict(word, Outcome.from_row(*recorded) if word == "seen" else None)
        for command_id, word, *recorded in rows
    }


def _standing(decided_on: Sequence[Mapping[str, Folded]]) -> dict[str, Array]:
    streams = [(number, *each) for number, unit in enumerate(decided_on) for each in unit.items()]
    return {
        "on_unit": integers([number for number, _, _ in streams]),
        "on_stream": texts([stream for _, stream, _ in streams]),
        "on_version": integers([folded.version for _, _, folded in streams]),
        "on_event_id": uuids([folded.last for _, _, folded in streams]),
    }


def _again(decided_on: Sequence[Mapping[str, Folded]], again: Set[str]) -> dict[str, Array]:
    streams = [(number, stream) for number, unit in enumerate(decided_on) for stream in unit if stream in again]
    return {
        "again_unit": integers([number for number, _ in streams]),
        "again_stream": texts([stream for _, stream in streams]),
    }


def _commands(writes: Sequence[tuple[int, Write]]) -> dict[str, Array]:
    contexts = [write.context for _, write in writes]
    outcomes = [write.outcome for _, write in writes]
    return {
        "unit": integers([number for number, _ in writes]),
        "command_id": uuids([context.command_id for context in contexts]),
        "project_id": texts([context.project_id for context in contexts]),
        "fingerprint": blobs([outcome.fingerprint for outcome in outcomes]),
        "answer": texts([_json(outcome.answer) for outcome in outcomes]),
        "refusal": texts([_json(outcome.refusal) for outcome in outcomes]),
        "versions": texts([_json(outcome.versions) for outcome in outcomes]),
        "recorded_at": moments([context.now for context in contexts]),
        "actor": texts([context.actor for context in contexts]),
        "request_id": texts([context.request_id for context in contexts]),
        "causation_id": texts([context.causation_id for context in contexts]),
    }


def _facts(facts: Sequence[tuple[UUID, EventRow]]) -> dict[str, Array]:
    return {
        "fact_command_id": uuids([command_id for command_id, _ in facts]),
        "stream": texts([row.stream for _, row in facts]),
        "version": integers([row.version for _, row in facts]),
        "topic": texts([row.topic for _, row in facts]),
        "type": texts([row.type for _, row in facts]),
        "event_id": uuids([row.event_id for _, row in facts]),
        "schema_id": integers([row.schema_id for _, row in facts]),
        "payload": blobs([row.payload for _, row in facts]),
    }


def _refs(refs: Sequence[tuple[UUID, str, str, str]]) -> dict[str, Array]:
    return {
        "ref_command_id": uuids([command_id for command_id, _, _, _ in refs]),
        "ref_kind": texts([kind for _, kind, _, _ in refs]),
        "ref_value": texts([value for _, _, value, _ in refs]),
        "ref_stream": texts([stream for _, _, _, stream in refs]),
    }


def _deadlines(deadlines: Sequence[tuple[UUID, Deadline]]) -> dict[str, Array]:
    return {
        "deadline_command_id": uuids([command_id for command_id, _ in deadlines]),
        "deadline_topic": texts([deadline.topic for _, deadline in deadlines]),
        "deadline_stream": texts([deadline.stream_id for _, deadline in deadlines]),
        "deadline_due_at": moments([deadline.due_at for _, deadline in deadlines]),
    }


def _sealed(records: Sequence[tuple[UUID, SealedRecord]]) -> dict[str, Array]:
    return {
        "sealed_command_id": uuids([command_id for command_id, _ in records]),
        "sealed_owner": texts([record.owner for _, record in records]),
        "sealed_kind": texts([record.kind for _, record in records]),
        "sealed_id": texts([record.id for _, record in records]),
        "sealed_bytes": blobs([record.sealed for _, record in records]),
        "sealed_expires_at": moments([record.expires_at for _, record in records]),
    }


def _json(value: Mapping[str, Any] | None) -> str | None:
    if value is None:
        return None
    try:
        return orjson.dumps(value, option=_STRICT).decode()
    except TypeError:  # What it does not know, Python's own encoder may; else that says so.
        return json.dumps(value, ensure_ascii=False)
