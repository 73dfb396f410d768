"""What decisions stand on: which of their commands were recorded before, and their streams as they stand."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, NamedTuple
from uuid import UUID

from commands.store import snapshots
from commands.store.cache import RecentStreams
from commands.store.connections import Connection
from commands.store.outcome import Outcome
from commands.store.states import Folded, StoredFact, fold
from domain.streams import Stream

_LOAD = files(__package__).joinpath("load.sql").read_bytes()
_NO_FOLD = -1  # No snapshot has it.


class Loaded(NamedTuple):
    """What was asked for, as it stood in one moment. `standing`: the outcomes of commands that were recorded before."""

    standing: Mapping[UUID, Outcome]
    streams: dict[str, Folded]


async def load(
    connection: Connection,
    command_ids: Sequence[UUID],
    streams: Sequence[Stream[Any, Any]],
    recent: RecentStreams,
    *,
    from_snapshots: bool = True,
) -> Loaded:
    """Look commands up and fold streams, however many, with one query. Of recent streams only what came since is read.

    Others begin with their snapshot, if they have one. Where the log does not bear out what is remembered, or a snapshot,
    neither is believed: the stream is folded from its first fact.
    """
    known = recent.known(streams)
    code = snapshots.this_code()
    asked = {
        "command_ids": command_ids,
        "streams": [stream.id for stream in streams],
        "versions": [known[stream.id].version if stream.id in known else 0 for stream in streams],
        "fold_version": code.number if from_snapshots else _NO_FOLD,
    }
    rows = await (await connection.execute(_LOAD, asked, prepare=True, binary=True)).fetchall()
    kinds = {stream.id: stream.kind for stream in streams}
    kept = {row[0]: snapshots.decode(kinds[row[0]], row[1], row[3], code) for row in rows if row[0] and row[2] is None}
    known.update({stream: folded for stream, folded in kept.items() if folded is not None})
    confirmed = {stream: event_id for stream, _, event_id, payload, *_ in rows if stream and payload is None}
    if strange := [stream for stream, folded in known.items() if confirmed.get(stream) != folded.last]:
        recent.forget(strange)
    wrong = [stream for stream, folded in kept.items() if folded is None or stream in strange]
    if wrong:
        await snapshots.drop(connection, wrong)
    if strange or wrong:
        return await load(connection, command_ids, streams, recent, from_snapshots=False)
    standing = {command_id: Outcome.from_row(*row) for stream, _, _, _, command_id, *row in rows if stream is None}
    facts = (StoredFact(*row[:4]) for row in rows if row[2] is not None and row[3] is not None)
    folded = fold(streams, facts, known)
    recent.keep(folded, since={stream: known[stream].version for stream in known})
    return Loaded(standing, folded)
