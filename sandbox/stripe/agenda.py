"""What the look-alike will do later by itself: let sessions expire, renew subscriptions, settle debits, book balances."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from sandbox.stripe.clock import Clock
from sandbox.stripe.store import Store

TABLES = """
create table if not exists agenda (
    id integer primary key autoincrement,
    due real not null,
    deed text not null,
    subject text not null,
    clock text not null default ''
);
create index if not exists agenda_by_due on agenda (due);
create index if not exists agenda_by_subject on agenda (subject);
create table if not exists clock_faces (clock text primary key, shows real not null);
"""
# Data of the look-alike before it had test clocks.
ADD_CLOCK = "alter table agenda add column clock text not null default ''"
LONGEST_SLEEP_SECONDS = 1.0

# What is under a test clock is due by that clock, all else by the account's.
NEXT = """
select id, deed, subject, due, agenda.clock from agenda left join clock_faces using (clock)
where due <= coalesce(shows, ?) order by due, id limit 1
"""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """One deed to do to one object (an id), when its clock shows `due`; `clock` is "" or a test clock's id."""

    id: int
    deed: str
    subject: str
    due: float
    clock: str


class Agenda:
    """Deeds by the time they are due, kept with the data: a restart forgets none."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._changed = asyncio.Event()
        # What can be done, by name. Whoever builds the account says so before anything is due.
        self.deeds: Mapping[str, Callable[[str], None]] = {}
        store.connection.executescript(TABLES)
        columns = {row[1] for row in store.connection.execute("pragma table_info(agenda)")}
        if "clock" not in columns:
            store.connection.execute(ADD_CLOCK)

    def plan(self, deed: str, subject: str, due: float, clock: str | None = None) -> None:
        """Do `deed` to the object `subject` when that test clock, or without one the account's, shows `due`."""
        sql = "insert into agenda (due, deed, subject, clock) values (?, ?, ?, ?)"
        self._store.connection.execute(sql, (due, deed, subject, clock or ""))
        self.look_again()

    def strike(self, deed: str, subject: str) -> None:
        self._store.connection.execute("delete from agenda where deed = ? and subject = ?", (deed, subject))

    def turn(self, clock: str, shows: float) -> None:
        """A test clock shows another time; what is due then is done."""
        self._store.connection.execute("insert or replace into clock_faces values (?, ?)", (clock, shows))
        self.look_again()

    def something_is_due(self, clock: str, moment: float) -> bool:
        """Is there anything under a test clock that is due by then?"""
        sql = "select exists (select 1 from agenda where clock = ? and due <= ?)"
        return bool(self._store.connection.execute(sql, (clock, moment)).fetchone()[0])

    def forget(self, clock: str) -> None:
        """A test clock is gone, and with it what was to happen under it."""
        self._store.connection.execute("delete from agenda where clock = ?", (clock,))
        self._store.connection.execute("delete from clock_faces where clock = ?", (clock,))

    def look_again(self) -> None:
        """Something was planned, or a clock was moved."""
        self._changed.set()

    def do_what_is_due(self) -> bool:
        """Do the first deed that is due, in a transaction of its own. False when nothing is."""
        row = self._store.connection.execute(NEXT, (self._clock.wall(),)).fetchone()
        if row is None:
            return False
        entry = Entry(*row)
        try:
            with self._store.transaction(), self._at_its_time(entry):
                self._cross_out(entry)
                self.deeds[entry.deed](entry.subject)
        except Exception:
            # One deed that cannot be done must not keep all later ones waiting.
            logger.exception("could not %s %s", entry.deed, entry.subject)
            self._cross_out(entry)
        return True

    def _cross_out(self, entry: Entry) -> None:
        self._store.connection.execute("delete from agenda where id = ?", (entry.id,))

    @contextmanager
    def _at_its_time(self, entry: Entry) -> Iterator[None]:
        stand = self._clock.frozen_at if entry.clock else self._clock.standing_at
        with stand(entry.due):
            yield

    async def advance(self, moment: float) -> None:
        """Move the account's clock forward, from deed to deed: each happens at its own time, and all that follows."""
        while (due := self._next_due()) is not None and due <= moment:
            self._clock.move_to(due)
            self.do_what_is_due()
            await asyncio.sleep(0)
        self._clock.move_to(moment)
        self.look_again()

    async def run(self) -> None:
        while True:
            self._changed.clear()
            something_done = self.do_what_is_due()
            await (asyncio.sleep(0) if something_done else self._sleep())

    def _next_due(self) -> float | None:
        """By the account's clock."""
        row = self._store.connection.execute("select min(due) from agenda where clock = ''").fetchone()
        return None if row[0] is None else float(row[0])

    async def _sleep(self) -> None:
        due = self._next_due()
        wait = LONGEST_SLEEP_SECONDS if due is None else due - self._clock.wall()
        # Not `wait_for`: Python 3.11's forgets that it was canceled when the event is set at the same moment.
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.001, min(wait, LONGEST_SLEEP_SECONDS))):
                await self._changed.wait()
