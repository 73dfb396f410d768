"""Load, decide, append: how units are written, at once or each in its turn."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence, Set
from importlib.resources import files
from typing import NamedTuple
from uuid import UUID

from psycopg import errors

from commands.ports import StreamsBusy
from commands.store.append import RIVALS, Verdict, append, append_checked, append_trusted
from commands.store.cache import RecentStreams
from commands.store.connections import Connection
from commands.store.loading import load
from commands.store.rows import Write
from commands.store.states import Folded
from commands.store.units import Draft, Result, Unit, draft, streams_of

Append = Callable[[Connection, Sequence[Sequence[Write]]], Awaitable[Mapping[UUID, Verdict]]]

_LOCK = files(__package__).joinpath("locking.sql").read_bytes()

# A process that stops between two statements must not keep its rivals waiting for ever: the server ends its transaction.
_PATIENCE = """
SELECT set_config('lock_timeout', '3s', true), set_config('idle_in_transaction_session_timeout', '5s', true)
"""


class Written(NamedTuple):
    """What was tried to be written, and what became of it by command id.

    `trusted`: streams of which the state was remembered, and not read for this.
    """

    drafts: Sequence[Draft]
    verdicts: Mapping[UUID, Verdict]
    trusted: Set[str] = frozenset()

    def recorded(self) -> Iterator[Write]:
        """What was written and is committed now."""
        writes = (write for draft in self.drafts for write in draft.writes)
        return (write for write in writes if self.verdicts[write.context.command_id].word == "done")

    def met_a_rival(self, unit: Unit) -> bool:
        """Whether somebody else wrote between our reading and our writing, or queues up to.

        What is remembered may be late by any time: that says nothing of rivals.
        """
        verdicts = (self.verdicts.get(asked.context.command_id) for asked in unit)
        words = {verdict.word for verdict in verdicts if verdict is not None}
        if "queued" in words:
            return True
        return "late" in words and self.trusted.isdisjoint(stream.id for asked in unit for stream in asked.streams)


async def write_on_trust(
    units: Sequence[Unit], recent: RecentStreams, connection: Connection, *, again: Set[str]
) -> Written:
    """The quickest way: decide on streams as they were last seen here, and have the log say with the write if they stand so.

    Only what was not seen of late is read before. Left for another way are units of which a stream has moved, a command
    stands already, or a decision failed: on what is old it may fail for no other reason. And those for which others queue
    up, among the streams that are written again and again.
    """
    streams = streams_of(units)
    seen = recent.known(streams)
    trusted = frozenset(seen)
    if strange := [stream for stream in streams if stream.id not in seen]:
        seen |= (await load(connection, [], strange, recent)).streams
    moving = dict(seen)
    drafts = [draft(unit, moving, {}) for unit in units]
    sound = [not any(isinstance(result.told, Exception) for result in drafted.results) for drafted in drafts]
    writes = [drafted.writes for drafted, is_sound in zip(drafts, sound, strict=True) if is_sound]
    decided_on = [_promised(unit, seen) for unit, is_sound in zip(units, sound, strict=True) if is_sound]
    try:
        verdicts = await append_trusted(connection, writes, decided_on, again) if writes else {}
    except RIVALS:
        return Written([_left(unit) for unit in units], {})
    tried = zip(units, drafts, sound, strict=True)
    return Written([drafted if is_sound else _left(unit) for unit, drafted, is_sound in tried], verdicts, trusted)


async def write_at_once(units: Sequence[Unit], recent: RecentStreams, connection: Connection) -> Written | None:
    """No locks, trusting that no rival writes the same streams meanwhile. None where one always did."""
    try:
        return await _write(units, recent, connection, append)
    except RIVALS:
        return None


async def write_in_turn(units: Sequence[Unit], recent: RecentStreams, connection: Connection) -> Written | None:
    """Among rivals: wait for one's turn. None where somebody who does not queue, a newcomer elsewhere, was faster again.

    Raises `StreamsBusy` where the turn does not come.
    """
    try:
        async with connection.transaction():
            await connection.execute(_PATIENCE)
            await connection.execute(_LOCK, {"streams": [stream.id for stream in streams_of(units)]}, prepare=True)
            return await _write(units, recent, connection, append_checked)
    except RIVALS:
        return None
    except errors.LockNotAvailable as error:
        raise StreamsBusy from error


def _promised(unit: Unit, seen: Mapping[str, Folded]) -> Mapping[str, Folded]:
    return {stream.id: seen[stream.id] for asked in unit for stream in asked.streams}


def _left(unit: Unit) -> Draft:
    return Draft([], [Result(asked, None, False) for asked in unit])


async def _write(units: Sequence[Unit], recent: RecentStreams, connection: Connection, append_units: Append) -> Written:
    command_ids = list({asked.context.command_id for unit in units for asked in unit})
    standing, streams = await load(connection, command_ids, streams_of(units), recent)
    drafts = [draft(unit, streams, standing) for unit in units]
    writes = [draft.writes for draft in drafts if draft.writes]
    return Written(drafts, await append_units(connection, writes) if writes else {})
