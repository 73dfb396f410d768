"""What the look-alike will do later by itself: let sessions expire, settle bank debits, book balances."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress

from sandbox.stripe.clock import Clock
from sandbox.stripe.store import Store

TABLES = """
create table if not exists agenda (
    id integer primary key autoincrement,
    due real not null,
    deed text not null,
    subject text not null
);
create index if not exists agenda_by_due on agenda (due);
create index if not exists agenda_by_subject on agenda (subject);
"""
LONGEST_SLEEP_SECONDS = 1.0

logger = logging.getLogger(__name__)


class Agenda:
    """Deeds by the time they are due, kept with the data: a restart forgets none."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._changed = asyncio.Event()
        store.connection.executescript(TABLES)

    def plan(self, deed: str, subject: str, due: float) -> None:
        """Do `deed` to the object `subject` (an id) at that time of the look-alike's clock."""
        self._store.connection.execute("insert into agenda (due, deed, subject) values (?, ?, ?)", (due, deed, subject))
        self.look_again()

    def strike(self, deed: str, subject: str) -> None:
        self._store.connection.execute("delete from agenda where deed = ? and subject = ?", (deed, subject))

    def look_again(self) -> None:
        """Something was planned, or the clock was moved."""
        self._changed.set()

    def do_what_is_due(self, deeds: Mapping[str, Callable[[str], None]]) -> bool:
        """Do the first deed that is due, in a transaction of its own. False when nothing is."""
        row = self._store.connection.execute(
            "select id, deed, subject from agenda where due <= ? order by due, id limit 1", (self._clock.now(),)
        ).fetchone()
        if row is None:
            return False
        id, deed, subject = row
        try:
            with self._store.transaction():
                deeds[deed](subject)
                self._store.connection.execute("delete from agenda where id = ?", (id,))
        except Exception:
            # One deed that cannot be done must not keep all later ones waiting.
            logger.exception("could not %s %s", deed, subject)
            self._store.connection.execute("delete from agenda where id = ?", (id,))
        return True

    async def run(self, deeds: Mapping[str, Callable[[str], None]]) -> None:
        while True:
            self._changed.clear()
            something_done = self.do_what_is_due(deeds)
            await (asyncio.sleep(0) if something_done else self._sleep())

    async def _sleep(self) -> None:
        row = self._store.connection.execute("select min(due) from agenda").fetchone()
        wait = LONGEST_SLEEP_SECONDS if row[0] is None else row[0] - self._clock.now()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), max(0.001, min(wait, LONGEST_SLEEP_SECONDS)))
