"""Several processes with eight writers each, on the same wallets: nothing lost, nothing doubled, no half, no gap."""

import asyncio
import json
import sys
from subprocess import PIPE

from runtime.postgres import Pool
from tests.commands.store.log import assert_whole, rows
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


async def write_elsewhere(asked: Writers) -> int | None:
    """The exit status of a process of writers."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.commands.store.writers", stdin=PIPE)
    await process.communicate(json.dumps(asked._asdict()).encode())
    return process.returncode
