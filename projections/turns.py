"""Whose turn it is: each read model is replayed, switched or cleared away by one process at a time."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from psycopg import Connection

from projections.read_model import ReadModel

_TAKE = b"SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"
_GIVE_BACK = b"SELECT pg_advisory_unlock(hashtextextended(%s, 0))"
_HOLDER = b"""
    SELECT activity.pid, activity.backend_start
      FROM pg_locks lock JOIN pg_stat_activity activity USING (pid)
     WHERE lock.locktype = 'advisory' AND lock.granted AND lock.objsubid = 1
       AND lock.database = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND (lock.classid::bigint << 32) | lock.objid::bigint = hashtextextended(%s, 0)
"""


class AnotherReplayRuns(Exception):
    """Somebody else is at this read model. The message says since when, and how Postgres knows them."""

    def __init__(self, read_model: str, holder: Sequence[Any] | None) -> None:
        known = f" (since {holder[1]:%Y-%m-%d %H:%M:%S %Z}, as process {holder[0]} of Postgres)" if holder else ""
        super().__init__(
            f"Another replay of {read_model} is running{known}. Wait for its end, or stop it, and run this again:"
            " nothing was changed."
        )


@contextmanager
def alone_at(connection: Connection[Any], models: Sequence[ReadModel]) -> Iterator[None]:
    """Have these read models to ourselves; should this process die, others can have them. Raises `AnotherReplayRuns`."""
    with ExitStack() as given_back:
        for name in sorted(model.name for model in models):
            lock = [f"tillstream replay {name}"]
            row = connection.execute(_TAKE, lock).fetchone()
            if row is None or not row[0]:
                raise AnotherReplayRuns(name, connection.execute(_HOLDER, lock).fetchone())
            given_back.callback(_give_back, connection, lock)
        yield


def _give_back(connection: Connection[Any], lock: Sequence[str]) -> None:
    if not connection.closed:
        connection.execute(_GIVE_BACK, lock)
