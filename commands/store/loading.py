"""What decisions stand on: which of their commands were recorded before, and their streams as they stand."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, NamedTuple
from uuid import UUID

from commands.store.cache import RecentStreams
from commands.store.connections import Connection
from commands.store.outcome import Outcome
from commands.store.states import Folded, StoredFact, fold
from domain.streams import Stream

_LOAD = files(__package__).joinpath("load.sql").read_bytes()


class Loaded(NamedTuple):
    """What was asked for, as it stood in one moment. `standing`: the outcomes of commands that were recorded before."""

    standing: Mapping[UUID, Outcome]
    streams: dict[str, Folded]


async def load(
    connection: Connection, command_ids: Sequence[UUID], streams: Sequence[Stream[Any, Any]], recent: RecentStreams
) -> Loaded:
    """Look commands up and fold streams, however many, with one query. Of recent streams only what came since is read."""
    known = recent.known(streams)
    asked = {
        "command_ids": command_ids,
        "streams": [stream.id for stream in streams],
        "versions": [known[stream.id].version if stream.id in known else 0 for stream in streams],
    }
    rows = await (await connection.execute(_LOAD, asked, prepare=True, binary=True)).fetchall()
    confirmed = {stream: event_id for stream, _, event_id, payload, *_ in rows if stream and payload is None}
    if strange := [stream for stream, folded in known.items() if confirmed.get(stream) != folded.last]:
        recent.forget(strange)
        return await load(connection, command_ids, streams, recent)
    standing = {command_id: Outcome.from_row(*row) for stream, _, _, _, command_id, *row in rows if stream is None}
    folded = fold(streams, (StoredFact(*row[:4]) for row in rows if row[3] is not None), known)
    recent.keep(folded)
    return Loaded(standing, folded)
