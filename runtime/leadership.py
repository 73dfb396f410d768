"""Leadership: among the processes that ask under one name, Postgres lets one lead and the others wait as spares.

The lock lives as long as the session that took it. A leader that hangs (stopped, swapped out, cut off) does not answer
in time, Postgres ends its session, and a spare takes over. The old one may wake up and still believe that it leads, so
what a leader writes must be fenced besides (an epoch, a compare-and-set): the lock alone keeps spares quiet, no more.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import Connection

from runtime import postgres
from runtime.process import Stop

_ASK_AGAIN_SECONDS = 0.5


class LeadershipLost(Exception):
    """This process leads no longer: the session that held the lock is gone."""

    def __init__(self, name: str, error: Exception) -> None:
        super().__init__(f"The leadership of the {name} is lost: {error!s}")


class Leadership:
    """Held from `wait` on, until `close` or until the session is lost. A context manager that closes."""

    def __init__(self, connection: Connection[Any], name: str, patience_seconds: float) -> None:
        self._connection = connection
        self._name = name
        self._patience_seconds = patience_seconds
        self._closing = threading.Event()
        self._lost: LeadershipLost | None = None
        self._pulse = threading.Thread(target=self._show_life, name=f"{name} leadership", daemon=True)
        self._pulse.start()

    def confirm(self) -> None:
        """Return where this process leads as far as it knows. Raises `LeadershipLost`. Costs nothing."""
        if self._lost is not None:
            raise self._lost

    def close(self) -> None:
        """Give the leadership up, at once for the spares."""
        self._closing.set()
        self._pulse.join()
        self._connection.close()

    def __enter__(self) -> "Leadership":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _show_life(self) -> None:
        """Ask Postgres something well before it loses its patience."""
        while not self._closing.wait(self._patience_seconds / 4):
            try:
                self._connection.execute("SELECT 1")
            except psycopg.Error as error:
                self._lost = LeadershipLost(self._name, error)
                return


def wait(database_url: str, name: str, stop: Stop, patience_seconds: float = 10.0) -> Leadership | None:
    """Wait until this process leads, as long as that takes; None where it was asked to stop before.

    A leader that shows no life for `patience_seconds` is relieved. Raises `psycopg.OperationalError` where Postgres does
    not answer. The lock belongs to a session, so a pooler between (PgBouncer) must not share sessions out by transaction.
    """
    with _candidate(database_url, name, patience_seconds) as candidate:
        while not stop:
            if _take_lock(candidate, name):
                return Leadership(candidate, name, patience_seconds)
            stop.wait(min(_ASK_AGAIN_SECONDS, patience_seconds / 4))
        candidate.close()
    return None


def take(database_url: str, name: str, patience_seconds: float = 10.0) -> Leadership | None:
    """Lead, if nobody else does; None where somebody does. Otherwise as `wait`."""
    with _candidate(database_url, name, patience_seconds) as candidate:
        if _take_lock(candidate, name):
            return Leadership(candidate, name, patience_seconds)
        candidate.close()
    return None


@contextmanager
def _candidate(database_url: str, name: str, patience_seconds: float) -> Iterator[Connection[Any]]:
    """A session that may take the lock, and ends where an error comes before that."""
    connection = postgres.connect(database_url, name=f"{name} leadership", autocommit=True)
    try:
        connection.execute(
            "SELECT set_config('idle_session_timeout', %s, false)", (str(round(patience_seconds * 1000)),)
        )
        yield connection
    except BaseException:
        connection.close()
        raise


def _take_lock(connection: Connection[Any], name: str) -> bool:
    row = connection.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (f"tillstream {name}",)).fetchone()
    return row is not None and bool(row[0])
