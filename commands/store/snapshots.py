"""Snapshots: how a long stream stood, kept in Postgres, so that whoever does not remember it need not fold it from its start.

Written behind commits and long loads, never before them, and lost without regret. Each is tagged with the code that made
it, and names the last fact that went into it: other code does not read it, and another past does not bear it out.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints
from uuid import UUID

import psycopg
import pydantic
import structlog
from psycopg import AsyncConnection
from pydantic import TypeAdapter

import domain
import schemas
from commands.store.arrays import blobs, integers, texts
from commands.store.states import Folded
from domain.streams import Kind
from runtime.postgres import Pool

EVERY = 200  # A stream gets one after so many facts.
_PAUSE_SECONDS = 1.0  # Between two writes: of a stream that gets facts all the time, one in this time is enough.
_MOST_DUE = 1_000  # A bound for memory only: a stream that finds no room is due again with later facts, or a long load.

_TAG_BYTES, _ID_BYTES = 32, 16

# Two processes may write at once: the longer one stays, unless it is of other code. Sorted, so that they do not lock each
# other out. Without waiting for the disk: what a crash of the server loses is made again.
_PUT = """
WITH quickly AS (SELECT set_config('synchronous_commit', 'off', true))
INSERT INTO store.snapshots AS kept (stream, version, fold_version, state)
SELECT stream, version, %(fold_version)s, state
  FROM quickly, unnest(%(stream)b::text[], %(version)b::int4[], %(state)b::bytea[]) AS s (stream, version, state)
 ORDER BY stream
ON CONFLICT (stream) DO UPDATE
SET version = excluded.version, fold_version = excluded.fold_version, state = excluded.state
WHERE kept.version < excluded.version OR kept.fold_version <> excluded.fold_version
"""

_DROP = "DELETE FROM store.snapshots WHERE stream = ANY (%s)"

log = structlog.get_logger()


class Fold(NamedTuple):
    """What makes states of facts, by its digest: all of `domain/` and `schemas/`, and what writes states down.

    More than the folds alone, so that nobody has to say what a fold stands on. `number` is what the table can look for.
    """

    tag: bytes

    @property
    def number(self) -> int:
        return int.from_bytes(self.tag[:4]) >> 1


@cache
def this_code() -> Fold:
    """Of this checkout. Its files are read once, at the first use: some milliseconds."""
    return of_code(Path(domain.__path__[0]), Path(schemas.__path__[0]))


def of_code(*folders: Path) -> Fold:
    """Of all that lies in these folders, whatever it is, but for what Python leaves there itself."""
    digest = sha256(f"1 pydantic {pydantic.VERSION}".encode())
    for folder in folders:
        for file in sorted(each for each in folder.rglob("*") if each.is_file() and each.suffix != ".pyc"):
            digest.update(f"{folder.name}/{file.relative_to(folder).as_posix()}".encode() + b"\0")
            digest.update(sha256(file.read_bytes()).digest())
    return Fold(digest.digest())


def encode(folded: Folded, fold: Fold) -> bytes:
    """A snapshot: the code's tag, the last fact's id, and the state as JSON."""
    assert folded.last is not None, "where nothing happened there is nothing to keep"
    cls: Any = type(folded.state)
    return fold.tag + folded.last.bytes + _adapter(cls).dump_json(folded.state)


def decode(kind: Kind[Any, Any], version: int, kept: bytes, fold: Fold) -> Folded | None:
    """How a stream stood at this version, as the snapshot has it; None where other code made it, or it cannot be read."""
    if kept[:_TAG_BYTES] != fold.tag:
        return None
    last, state = kept[_TAG_BYTES : _TAG_BYTES + _ID_BYTES], kept[_TAG_BYTES + _ID_BYTES :]
    try:
        return Folded(_adapter(state_type(kind)).validate_json(state), version, UUID(bytes=last))
    except ValueError:  # Its message is not logged: it quotes values, and they are a project's own.
        log.warning("snapshot unreadable", topic=kind.topic)
        return None


@cache
def state_type(kind: Kind[Any, Any]) -> type:
    """The class of a kind's states, as its fold says."""
    hinted: type = get_type_hints(kind.evolve)["return"]
    return hinted


@cache
def _adapter(cls: Any) -> TypeAdapter[Any]:
    adapter: TypeAdapter[Any] = TypeAdapter(cls)  # Takes milliseconds to make: once for each kind of stream.
    return adapter


class Snapshots:
    """Writes snapshots when there is time. For an event loop's thread alone."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._due: dict[str, Folded] = {}
        self._writing: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    def note(self, stream_id: str, folded: Folded, since: int) -> None:
        """A stream stands so by committed facts; those up to the version `since` may be in a snapshot. Returns at once."""
        if folded.version // EVERY > since // EVERY and (stream_id in self._due or len(self._due) < _MOST_DUE):
            self._due[stream_id] = folded
            if self._writing is None or self._writing.done():
                self._writing = asyncio.create_task(self._write())

    async def close(self) -> None:
        """Write what is due."""
        self._closing.set()
        if self._writing is not None:
            await self._writing

    async def _write(self) -> None:
        while self._due:
            due, self._due = self._due, {}
            try:
                async with self._pool.connection() as connection:
                    await put(connection, due)
            except psycopg.Error as error:
                log.info("snapshots lost", reason=str(error))  # Only time is lost with them.
            await self._pause()

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), _PAUSE_SECONDS)


async def put(connection: AsyncConnection[Any], streams: Mapping[str, Folded]) -> None:
    """Keep how these streams stand."""
    fold = this_code()
    states = [encode(folded, fold) for folded in streams.values()]
    await connection.execute(
        _PUT,
        {
            "fold_version": fold.number,
            "stream": texts(list(streams)),
            "version": integers([folded.version for folded in streams.values()]),
            "state": blobs(states),
        },
    )


async def drop(connection: AsyncConnection[Any], streams: Sequence[str]) -> None:
    """Forget the snapshots of these streams: they are not to be believed."""
    await connection.execute(_DROP, (streams,))
