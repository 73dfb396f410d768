"""Units: commands that share a stream, decided in the order in which they came, each on what the one before it left."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from commands.ports import Context, Decide, Receipt
from commands.store.append import Verdict
from commands.store.outcome import Outcome
from commands.store.rows import Write, decide_on
from commands.store.states import Folded, FoldedStreams
from domain.streams import Stream

Told = Write | Outcome | Exception


Key = UUID | str


class Asked:
    """A command as the store was asked for it. `told` is where its caller waits for what becomes of it.

    `keys`, its id and its streams', are what it must not share with a command that goes another way at the same time.
    """

    __slots__ = ("context", "decide", "keys", "streams", "told")

    def __init__(self, context: Context, streams: Sequence[Stream[Any, Any]], decide: Decide) -> None:
        self.context = context
        self.streams = streams
        self.decide = decide
        self.keys: Sequence[Key] = (context.command_id, *(stream.id for stream in streams))
        self.told: asyncio.Future[Told] = asyncio.get_running_loop().create_future()

    def tell(self, told: Told) -> None:
        """Answer its caller, who may have left meanwhile."""
        if not self.told.done():
            self.told.set_result(told)

    def receipt(self, told: Told) -> Receipt:
        """What was told, as `EventStore.record` gives it. Raises the refusal, or the fault, where it was one."""
        if isinstance(told, Exception):
            raise told
        if isinstance(told, Outcome):
            return told.replay(self.context)
        return told.receipt()


Unit = Sequence[Asked]


class Result(NamedTuple):
    """What a command comes to once its unit is written; None where that is left for another try.

    `again`: it was asked for earlier in the same unit.
    """

    asked: Asked
    told: Told | None
    again: bool

    def after(self, verdicts: Mapping[UUID, Verdict]) -> Told | None:
        """What its caller is to be told; None where a rival was in the way."""
        if not isinstance(self.told, Write):
            return self.told
        verdict = verdicts[self.told.context.command_id]
        if verdict.word == "done":
            return self.told.outcome.as_read() if self.again else self.told
        return verdict.outcome


class Draft(NamedTuple):
    """A unit, decided: what is to be written of it, and what comes of that."""

    writes: Sequence[Write]
    results: Sequence[Result]


def units(commands: Sequence[Asked]) -> Sequence[Unit]:
    """Put commands together that share a stream or an id, also by way of others. All keep the order they came in."""
    parents = list(range(len(commands)))

    def first(place: int) -> int:
        while parents[place] != place:
            parents[place] = place = parents[parents[place]]
        return place

    owners: dict[Key, int] = {}
    for place, command in enumerate(commands):
        for key in command.keys:
            one, other = first(place), first(owners.setdefault(key, place))
            parents[max(one, other)] = min(one, other)
    found: dict[int, list[Asked]] = {}
    for place, command in enumerate(commands):
        found.setdefault(first(place), []).append(command)
    return list(found.values())


def streams_of(units: Iterable[Unit]) -> Sequence[Stream[Any, Any]]:
    """Every stream that these units were promised, once."""
    return list({stream.id: stream for unit in units for asked in unit for stream in asked.streams}.values())


def draft(unit: Unit, streams: dict[str, Folded], standing: Mapping[UUID, Outcome]) -> Draft:
    """Decide each command of a unit in turn, and move `streams` on by what it decides.

    A command that stands already is not decided again. One whose decision fails by a fault leaves no trace in the others.
    """
    results: list[Result] = []
    writes: dict[UUID, Write] = {}
    for asked in unit:
        command_id = asked.context.command_id
        again = command_id in writes
        told: Told = writes.get(command_id) or standing.get(command_id) or _decided(asked, streams)
        if isinstance(told, Write) and not again:
            writes[command_id] = told
            streams.update(told.after)
        results.append(Result(asked, told, again))
    return Draft(list(writes.values()), results)


def _decided(asked: Asked, streams: Mapping[str, Folded]) -> Write | Exception:
    try:
        return decide_on(FoldedStreams(streams).only(asked.streams), asked.context, asked.decide)
    except Exception as fault:
        return fault
