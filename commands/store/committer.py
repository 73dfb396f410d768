"""The committer: commands that wait in the event loop at the same moment are committed together, each with its own result."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence, Set
from functools import partial
from itertools import chain
from typing import Any
from uuid import UUID

from commands.ports import StreamsBusy
from commands.store.append import Verdict
from commands.store.cache import RecentStreams
from commands.store.connections import Connection, on_connection
from commands.store.contention import Contention
from commands.store.units import Asked, Draft, Key, Told, Unit, streams_of, units
from commands.store.writing import Written, write_at_once, write_in_turn, write_on_trust
from domain.errors import DomainError
from runtime.postgres import Pool

TRIES = 5

# How long a commit under way is waited for before another one begins beside it: who goes together costs less. One that is
# held up for longer, by a rival's lock say, holds up nobody else.
_PATIENCE_SECONDS = 0.01

Way = Callable[[Sequence[Unit], RecentStreams, Connection], Awaitable[Written | None]]


class Committer:
    """Takes commands in the order they come, `at_once` of them to a commit, `under_way` commits at a time, mostly one.

    What shares a stream or an id with a command under way waits until that is through, and then goes together with all
    that came meanwhile: so each stream has a queue of its own here, and this process is never its own rival.
    """

    def __init__(
        self, pool: Pool, recent: RecentStreams, announce: Callable[[], None], *, at_once: int, under_way: int
    ) -> None:
        """`announce` is called after each commit in which something happened."""
        self._pool = pool
        self._recent = recent
        self._announce = announce
        self._at_once = at_once
        self._under_way = self._free = under_way
        self._contention = Contention()
        # Who queues up for a stream waits with a connection in hand: half of the pool stays free of them.
        self._queued = asyncio.Semaphore(max(1, pool.max_size // 2))
        self._waiting: list[Asked] = []
        self._busy: set[Key] = set()
        self._woken = False
        self._impatient: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def commit(self, asked: Asked) -> Told:
        """What became of a command, once that is known. Who stops waiting stops nobody else, and no commit under way."""
        self._waiting.append(asked)
        self._wake()
        return await asked.told

    async def close(self) -> None:
        """Wait until everything that was asked for is through."""
        while self._tasks or self._woken:
            await asyncio.gather(*self._tasks, asyncio.sleep(0))

    def _wake(self) -> None:
        """Begin once everybody who is at work in the event loop just now has put down what they want.

        While a commit is under way, only if there is enough for a whole one beside it, or if it takes long.
        """
        if not self._waiting or not self._free or self._woken:
            return
        loop = asyncio.get_running_loop()
        if self._free == self._under_way or len(self._waiting) >= self._at_once:
            self._woken = True
            loop.call_soon(self._begin)
        elif self._impatient is None:
            self._impatient = loop.call_later(_PATIENCE_SECONDS, self._begin)

    def _begin(self) -> None:
        self._woken = False
        if self._impatient is not None:
            self._impatient.cancel()
            self._impatient = None
        while self._free and (taken := self._take()):
            self._free -= 1
            self._spawn(self._go(taken))

    def _take(self) -> Sequence[Asked]:
        """The next commands that share nothing with those under way, nor with one that has to wait for longer."""
        taken: list[Asked] = []
        left: list[Asked] = []
        behind: set[Key] = set()
        here = [asked for asked in self._waiting if not asked.told.done()]  # The others' callers have left.
        for place, asked in enumerate(here):
            if len(taken) == self._at_once:
                left += here[place:]
                break
            if self._busy.isdisjoint(asked.keys) and behind.isdisjoint(asked.keys):
                taken.append(asked)
            else:
                left.append(asked)
                behind.update(asked.keys)
        self._waiting = left
        self._busy |= _keys(taken)
        return taken

    async def _go(self, taken: Sequence[Asked]) -> None:
        """Commit these: at once, or, where there were rivals of late, each unit in its turn."""
        calm: list[Unit] = []
        for unit in units(taken):
            if self._contested(unit):
                self._spawn(self._in_turn(unit))
            else:
                calm.append(unit)
        left = await self._attempt(calm, self._on_trust(calm)) if calm else []
        if again := [unit for unit in left if not self._contested(unit)]:
            left = [*filter(self._contested, left), *await self._attempt(again, write_at_once)]
        for unit in left:
            self._spawn(self._in_turn(unit))
        self._free += 1
        self._release(_keys(chain(*calm)) - _keys(chain(*left)))

    def _on_trust(self, calm: Sequence[Unit]) -> Way:
        return partial(write_on_trust, again=self._contention.again(stream.id for stream in streams_of(calm)))

    def _contested(self, unit: Unit) -> bool:
        return self._contention.among(stream.id for stream in streams_of([unit]))

    async def _in_turn(self, unit: Unit) -> None:
        left: Unit = unit
        async with self._queued:
            for _ in range(TRIES - 1):
                left = list(chain(*await self._attempt([left], write_in_turn)))
                if not left:
                    break
        for asked in left:
            asked.tell(StreamsBusy())
        self._release(_keys(unit))

    def _release(self, keys: Set[Key]) -> None:
        self._busy -= keys
        self._wake()

    async def _attempt(self, wanted: Sequence[Unit], way: Way) -> Sequence[Unit]:
        """Try to commit units, and tell those whose commands came to something. Gives back the others."""
        try:
            written = await on_connection(self._pool, partial(way, wanted, self._recent))
            if written is not None:
                return self._settle(written)
        except DomainError as error:  # `StoreUnavailable`, `StreamsBusy`
            for asked in chain(*wanted):
                asked.tell(error)
            return []
        except Exception as fault:
            return await self._apart(list(chain(*wanted)), way, fault)
        self._note(wanted)
        return wanted

    async def _apart(self, commands: Unit, way: Way, fault: Exception) -> Sequence[Unit]:
        """Among these is something that Postgres does not take. Each alone, so that nobody else has to suffer from it."""
        if len(commands) == 1:
            commands[0].tell(fault)
            return []
        return list(chain(*[await self._attempt([[asked]], way) for asked in commands]))

    def _settle(self, written: Written) -> Sequence[Unit]:
        left = [unit for draft in written.drafts if (unit := _tell(draft, written.verdicts))]
        if left:
            self._note(unit for unit in left if written.met_a_rival(unit))
        happened = [write.after for write in written.recorded() if write.after]
        for after in happened:
            self._recent.keep(after)
            self._contention.wrote(after)
        if happened:
            self._announce()
        return left

    def _note(self, lost: Iterable[Unit]) -> None:
        self._contention.note(stream.id for stream in streams_of(lost))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _tell(draft: Draft, verdicts: Mapping[UUID, Verdict]) -> Unit:
    """Tell those whose commands are recorded, now or before. Gives back the others."""
    left = []
    for result in draft.results:
        told = result.after(verdicts)
        if told is None:
            left.append(result.asked)
        else:
            result.asked.tell(told)
    return left


def _keys(commands: Iterable[Asked]) -> set[Key]:
    return set(chain.from_iterable(asked.keys for asked in commands))
