"""Many who spend from one wallet at once, in several processes, with retries: to the last credit, and not beyond."""

import asyncio
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from subprocess import PIPE
from typing import Any
from uuid import uuid4

import pytest

from commands.credits import GrantCredits, grant_credits
from commands.store.postgres import PostgresStore
from domain.wallet import WALLETS, CreditsConsumed
from runtime.postgres import Pool, pool
from schemas import codec
from tests.commands.payments import context
from tests.commands.spenders import ACCOUNT, Heard, Spenders

ATTEMPTS = 20_000
CREDITS = ATTEMPTS // 2
GRANTS = 10
CLIENTS = 64
PROCESSES = 2
WITHIN_SECONDS = 120


@pytest.mark.timeout(WITHIN_SECONDS + 60)
async def test_a_wallet_is_spent_to_the_last_credit_and_not_beyond(database_url: str) -> None:
    async with pool(database_url, name="test", size=2) as connections:
        await give(connections)

        async with asyncio.timeout(WITHIN_SECONDS):
            heard = [
                each
                for of_process in await asyncio.gather(*(spend_elsewhere(database_url, n) for n in range(PROCESSES)))
                for each in of_process
            ]

        check_answers(heard)
        await check_ledger(connections)


async def give(connections: Pool) -> None:
    """Ten grants, of which each burns before the one that was given before it."""
    store = PostgresStore(connections)
    for number in range(GRANTS):
        command = GrantCredits(
            account=ACCOUNT, amount=CREDITS // GRANTS, reason="a gift", priority=GRANTS - number, expires_at=None
        )
        await grant_credits(command, context(command_id=uuid4(), now=datetime.now(UTC)), store)
    await store.close()


async def spend_elsewhere(database_url: str, number: int) -> Sequence[Heard]:
    """What the clients of one process heard."""
    asked = Spenders(database_url, 7, ATTEMPTS, CLIENTS // PROCESSES, number, PROCESSES)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.commands.spenders", stdin=PIPE, stdout=PIPE
    )
    output, _ = await process.communicate(json.dumps(asked._asdict()).encode())
    assert process.returncode == 0
    return [Heard(*each) for each in json.loads(output)]


def check_answers(heard: Sequence[Heard]) -> None:
    """As many spends as there were credits, all others refused, and whoever asked again heard the same."""
    assert len(heard) == ATTEMPTS
    assert sum(each.replayed for each in heard) > ATTEMPTS / 5, "many asked again"
    by_key: dict[str, list[Heard]] = defaultdict(list)
    for each in heard:
        by_key[each.key].append(each)
    assert all(each.answer == given[0].answer for given in by_key.values() for each in given)
    assert all(sum(not each.replayed for each in given) == 1 for given in by_key.values())
    refused = [given[0].answer for given in by_key.values() if not given[0].spent]
    assert len(by_key) - len(refused) == CREDITS
    assert refused, "there was not enough for all"
    assert {each["code"] for each in refused} == {"insufficient_credits"}
    assert {each["details"]["available"] for each in refused} == {0}


async def check_ledger(connections: Pool) -> None:
    """Every spend is one fact with the balance after it, and each grant was spent exactly."""
    async with connections.connection() as connection:
        rows = await connection.execute(
            "SELECT payload FROM store.events WHERE stream = %s ORDER BY version", [ACCOUNT.stream.id]
        )
        events: list[Any] = [codec.decode(payload).event async for (payload,) in rows]
    spends = [event for event in events if isinstance(event, CreditsConsumed)]
    assert len(events) == GRANTS + CREDITS
    assert [spend.balance for spend in spends] == list(range(CREDITS - 1, -1, -1))
    assert len({spend.entry_id for spend in spends}) == len({spend.reference for spend in spends}) == CREDITS
    spent: dict[str, int] = defaultdict(int)
    for spend in spends:
        for portion in spend.portions:
            spent[portion.entry_id] += portion.amount
    newest_first = [event.entry_id for event in events[:GRANTS]][::-1]
    assert list(spent.items()) == [(entry_id, CREDITS // GRANTS) for entry_id in newest_first]
    wallet = WALLETS.fold(events)
    assert wallet is not None
    assert (wallet.balance, wallet.available, wallet.grants) == (0, 0, ())
