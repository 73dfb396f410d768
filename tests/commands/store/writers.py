"""`python -m tests.commands.store.writers`: many writers in a process of their own. Reads `Writers` as JSON.

Every process draws the same commands from the same seed, and each takes its own share of them and some of the others':
so hot streams, new streams and command ids are all wanted by several at once.
"""

import asyncio
import json
import random
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from uuid import UUID

from commands.ports import StreamsBusy
from commands.store.postgres import PostgresStore
from domain.wallet import WALLETS
from runtime.postgres import pool
from tests.commands.store.shopping import Wallets, context, pay_in

WRITERS = 8
_TRIES = 50


class Writers(NamedTuple):
    """Of `commands` commands drawn from `seed`, process `number` of `processes` takes its share."""

    database_url: str
    seed: int
    commands: int
    number: int
    processes: int


class Command(NamedTuple):
    id: UUID
    streams: Sequence[Wallets]


def commands(seed: int, how_many: int) -> Sequence[Command]:
    """Commands on one to three wallets: four hot ones, and ones that a few commands nearby in time are the first to want."""
    chance = random.Random(seed)
    hot = [f"wal_hot_{number}" for number in range(4)]
    return [
        Command(
            UUID(int=chance.getrandbits(128), version=4),
            [
                WALLETS.at(id)
                for id in chance.sample([*hot, *(f"wal_{place // 6}_{n}" for n in range(3))], k=chance.randint(1, 3))
            ],
        )
        for place in range(how_many)
    ]


def share(asked: Writers) -> Iterator[Command]:
    """Each command has one process that must ask for it; every fifth is asked for by another one too."""
    for place, command in enumerate(commands(asked.seed, asked.commands)):
        theirs = {place % asked.processes} | ({(place + 1) % asked.processes} if place % 5 == 0 else set())
        if asked.number in theirs:
            yield command


async def write(asked: Writers) -> None:
    async with pool(asked.database_url, name=f"writers {asked.number}", size=4) as connections:
        store, due = PostgresStore(connections), share(asked)

        async def writer() -> None:
            for command in due:
                await until_recorded(store, command)

        await asyncio.gather(*(writer() for _ in range(WRITERS)))
        await store.close()


async def until_recorded(store: PostgresStore, command: Command) -> None:
    """Ask as a patient caller does, who is told to come back."""
    for _ in range(_TRIES):
        try:
            await store.record(context(command.id), command.streams, pay_in(*command.streams))
            return
        except StreamsBusy:
            await asyncio.sleep(0.05)
    raise AssertionError(f"busy {_TRIES} times")


if __name__ == "__main__":
    asyncio.run(write(Writers(**json.load(sys.stdin))))
