"""Load, decide, append: how units are written, at once or each in its turn."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from importlib.resources import files
from typing import NamedTuple
from uuid import UUID

from psycopg import errors

from commands.ports import StreamsBusy
from commands.store.append import RIVALS, Verdict, append, append_checked
from commands.store.cache import RecentStreams
from commands.store.connections import Connection
from commands.store.loading import load
from commands.store.rows import Write
from commands.store.units import Draft, Unit, draft, streams_of

Append = Callable[[Connection, Sequence[Sequence[Write]]], Awaitable[Mapping[UUID, Verdict]]]

_LOCK = files(__package__).joinpath("locking.sql").read_bytes()

# A process that stops between two statements must not keep its rivals waiting for ever: the server ends its transaction.
_PATIENCE = """
SELECT set_config('lock_timeout', '3s', true), set_config('idle_in_transaction_session_timeout', '5s', true)
"""


class Written(NamedTuple):
    """What was tried to be written, and what became of it by command id."""

    drafts: Sequence[Draft]
    verdicts: Mapping[UUID, Verdict]

    def recorded(self) -> Iterator[Write]:
        """What was written and is committed now."""
        writes = (write for draft in self.drafts for write in draft.writes)
        return (write for write in writes if self.verdicts[write.context.command_id].word == "done")


async def write_at_once(units: Sequence[Unit], recent: RecentStreams, connection: Connection) -> Written | None:
    """The usual way: no locks, trusting that no rival writes the same streams meanwhile. None where one always did."""
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


async def _write(units: Sequence[Unit], recent: RecentStreams, connection: Connection, append_units: Append) -> Written:
    command_ids = list({asked.context.command_id for unit in units for asked in unit})
    standing, streams = await load(connection, command_ids, streams_of(units), recent)
    drafts = [draft(unit, streams, standing) for unit in units]
    writes = [draft.writes for draft in drafts if draft.writes]
    return Written(drafts, await append_units(connection, writes) if writes else {})
