"""`python -m tests.commands.store.insisting URL WALLET`: one caller who pays into a wallet as fast as it goes, until killed.

Writes a line once it has begun.
"""

import asyncio
import sys

from domain.wallet import WALLETS
from tests.commands.store.rivals import another_store
from tests.commands.store.shopping import context, pay_in


async def insist(database_url: str, wallet_id: str) -> None:
    stream = WALLETS.at(wallet_id)
    async with another_store(database_url) as store:
        await store.record(context(), [stream], pay_in(stream))
        sys.stdout.write("begun\n")
        sys.stdout.flush()
        while True:
            await store.record(context(), [stream], pay_in(stream))


if __name__ == "__main__":
    asyncio.run(insist(*sys.argv[1:]))
