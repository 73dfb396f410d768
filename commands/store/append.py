"""The append statement: writes go in by units, and a verdict on each command comes out."""

from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from json import dumps
from typing import Any, Literal, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection, errors

from commands.ports import Deadline
from commands.store.outcome import Outcome
from commands.store.rows import EventRow, Write
from vault.port import SealedRecord

_ALL = "accepted AS (SELECT * FROM command), verdict AS (SELECT command_id, 'done' AS word FROM command)"
_APPEND, _CHECKED = (files(__package__).joinpath(name).read_text() for name in ("append.sql", "checked.sql"))

PLAIN = _APPEND.format(accepted=_ALL).encode()
CHECKED = _APPEND.format(accepted=_CHECKED).encode()

# A rival wrote the same key first, or each of two waited for the other and this one had to yield.
RIVALS = (errors.UniqueViolation, errors.DeadlockDetected)

Unit = Sequence[Write]  # Commands that share a stream, in the order in which they were decided.


class Verdict(NamedTuple):
    """What became of a command.

    `done`: it is recorded. `seen`: it was recorded before, with `outcome`. `late`: a stream that it writes has moved since
    it was decided on. `peer`: left out because of another command of its unit.
    """

    word: Literal["done", "seen", "late", "peer"]
    outcome: Outcome | None


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


def _commands(writes: Sequence[tuple[int, Write]]) -> dict[str, list[Any]]:
    contexts = [write.context for _, write in writes]
    outcomes = [write.outcome for _, write in writes]
    return {
        "unit": [number for number, _ in writes],
        "command_id": [context.command_id for context in contexts],
        "project_id": [context.project_id for context in contexts],
        "fingerprint": [outcome.fingerprint for outcome in outcomes],
        "answer": [_json(outcome.answer) for outcome in outcomes],
        "refusal": [_json(outcome.refusal) for outcome in outcomes],
        "versions": [_json(outcome.versions) for outcome in outcomes],
        "recorded_at": [context.now for context in contexts],
        "actor": [context.actor for context in contexts],
        "request_id": [context.request_id for context in contexts],
        "causation_id": [context.causation_id for context in contexts],
    }


def _facts(facts: Sequence[tuple[UUID, EventRow]]) -> dict[str, list[Any]]:
    return {
        "fact_command_id": [command_id for command_id, _ in facts],
        "stream": [row.stream for _, row in facts],
        "version": [row.version for _, row in facts],
        "topic": [row.topic for _, row in facts],
        "type": [row.type for _, row in facts],
        "event_id": [row.event_id for _, row in facts],
        "schema_id": [row.schema_id for _, row in facts],
        "payload": [row.payload for _, row in facts],
    }


def _refs(refs: Sequence[tuple[UUID, str, str, str]]) -> dict[str, list[Any]]:
    return {
        "ref_command_id": [command_id for command_id, _, _, _ in refs],
        "ref_kind": [kind for _, kind, _, _ in refs],
        "ref_value": [value for _, _, value, _ in refs],
        "ref_stream": [stream for _, _, _, stream in refs],
    }


def _deadlines(deadlines: Sequence[tuple[UUID, Deadline]]) -> dict[str, list[Any]]:
    return {
        "deadline_command_id": [command_id for command_id, _ in deadlines],
        "deadline_topic": [deadline.topic for _, deadline in deadlines],
        "deadline_stream": [deadline.stream_id for _, deadline in deadlines],
        "deadline_due_at": [deadline.due_at for _, deadline in deadlines],
    }


def _sealed(records: Sequence[tuple[UUID, SealedRecord]]) -> dict[str, list[Any]]:
    return {
        "sealed_command_id": [command_id for command_id, _ in records],
        "sealed_owner": [record.owner for _, record in records],
        "sealed_kind": [record.kind for _, record in records],
        "sealed_id": [record.id for _, record in records],
        "sealed_bytes": [record.sealed for _, record in records],
        "sealed_expires_at": [record.expires_at for _, record in records],
    }


def _json(value: Mapping[str, Any] | None) -> str | None:
    return None if value is None else dumps(value, ensure_ascii=False)
