"""Several processes with eight writers each, on the same wallets: nothing lost, nothing doubled, no half, no gap."""

import asyncio
import json
import sys
from subprocess import PIPE

from commands.store.postgres import PostgresStore
from runtime.postgres import Pool
from tests.commands.store.log import assert_whole, rows
from tests.commands.store.shopping import context, pay_in, wallet
from tests.commands.store.writers import Writers, commands

SEED = 7
COMMANDS = 900
PROCESSES = 3


async def test_processes_on_the_same_streams_lose_nothing_and_double_nothing(
    database_url: str, connections: Pool
) -> None:
    asked = [Writers(database_url, SEED, COMMANDS, number, PROCESSES) for number in range(PROCESSES)]

    async with asyncio.timeout(120):
        ended = await asyncio.gather(*map(write_elsewhere, asked))

    drawn = commands(SEED, COMMANDS)
    assert ended == [0] * PROCESSES
    assert await assert_whole(connections) == {command.id: len(command.streams) for command in drawn}
    assert await rows(connections, "SELECT count(*) FROM store.inbox") == [(COMMANDS,)]


async def test_a_process_that_is_always_quicker_leaves_others_their_turn(
    postgres: PostgresStore, database_url: str
) -> None:
    stream = wallet()

    async def come() -> None:
        for _ in range(20):
            await postgres.record(context(), [stream], pay_in(stream))

    command = [sys.executable, "-m", "tests.commands.store.insisting", database_url, stream.id]
    quick = await asyncio.create_subprocess_exec(*command, stdout=PIPE)
    try:
        assert quick.stdout is not None
        assert await quick.stdout.readline() == b"begun\n"
        async with asyncio.timeout(60):
            await asyncio.gather(*(come() for _ in range(32)))
        assert quick.returncode is None
    finally:
        quick.kill()
        await quick.wait()


async def write_elsewhere(asked: Writers) -> int | None:
    """The exit status of a process of writers."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.commands.store.writers", stdin=PIPE)
    await process.communicate(json.dumps(asked._asdict()).encode())
    return process.returncode
