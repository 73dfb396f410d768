"""`python -m tests.commands.spenders`: many who spend from one wallet, in a process of their own. Reads `Spenders` as JSON.

Every process draws the same attempts from the same seed and makes its own share of them: so many a command is asked for
again while, or after, another process is at it. Writes each attempt with what it came to, as JSON.
"""

import asyncio
import json
import random
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import NAMESPACE_URL, uuid5

from commands.credits import Account, ConsumeCredits, consume_credits
from commands.ports import Context, EventStore, StreamsBusy
from commands.store.postgres import PostgresStore
from domain.errors import DomainError
from runtime.postgres import pool

_RECENT = 200  # So far back the keys are that are sent again: some of them are still being worked on.

ACCOUNT = Account(project_id="prj_shop", user_id="user-1", credit_type="api")


class Spenders(NamedTuple):
    """`clients` at a time make the share that process `number` of `processes` has of the attempts drawn from `seed`."""

    database_url: str
    seed: int
    attempts: int
    clients: int
    number: int
    processes: int


class Heard(NamedTuple):
    """What one attempt came to. `answer`: the recorded answer, or what the refusal said."""

    key: str
    spent: bool
    replayed: bool
    answer: Any


def keys(seed: int, attempts: int) -> Sequence[str]:
    """The keys of all attempts in order. A third of them were sent before, by whomever."""
    chance = random.Random(seed)
    sent: list[str] = []
    new: list[str] = []
    for _ in range(attempts):
        if new and chance.random() < 1 / 3:
            sent.append(chance.choice(new[-_RECENT:]))
        else:
            new.append(f"spend-{len(new)}")
            sent.append(new[-1])
    return sent


def share(asked: Spenders) -> Iterator[str]:
    """The keys that are this process's to send."""
    return iter(keys(asked.seed, asked.attempts)[asked.number :: asked.processes])


async def spend(asked: Spenders) -> Sequence[Heard]:
    """Make all attempts of this process, each again and again while others are faster."""
    todo = share(asked)
    async with pool(asked.database_url, name="spenders", size=4) as connections:
        store = PostgresStore(connections)

        async def client() -> list[Heard]:
            return [await _attempt(store, key) for key in todo]

        heard = await asyncio.gather(*(client() for _ in range(asked.clients)))
        await store.close()
    return [each for of_client in heard for each in of_client]


async def _attempt(store: EventStore, key: str) -> Heard:
    command = ConsumeCredits(account=ACCOUNT, amount=1, reference=key)
    while True:
        try:
            receipt = await consume_credits(command, _context(key), store)
        except StreamsBusy:
            await asyncio.sleep(0.05)
        except DomainError as refusal:
            return Heard(key, False, refusal.replayed, refusal.as_recorded())
        else:
            return Heard(key, True, receipt.replayed, receipt.answer)


def _context(key: str) -> Context:
    command_id = uuid5(NAMESPACE_URL, key)
    return Context(
        command_id=command_id,
        fingerprint=key.encode(),
        project_id=ACCOUNT.project_id,
        actor="key:key_1",
        request_id=f"req-{key}",
        causation_id=str(command_id),
        now=datetime.now(UTC),
    )


if __name__ == "__main__":
    json.dump(asyncio.run(spend(Spenders(**json.load(sys.stdin)))), sys.stdout)
