"""Commands over HTTP: credits given, beside an empty handler; one wallet that everybody spends from, beside many."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from uuid import uuid4

import psycopg

from benchmarks import workload
from benchmarks.load import Load, from_elsewhere
from benchmarks.row import Claim, Figures, Row, Sides
from benchmarks.servers import Servers
from commands.credits import Account, GrantCredits, grant_credits
from commands.store.postgres import PostgresStore
from domain.customer import customer_id
from runtime import postgres
from vault.keys import LocalKeyWrapper, MasterKey
from vault.records import PostgresVault

_CUSTOMERS = 2_000
_WALLETS = 10_000
_CONNECTIONS = 64
_SECONDS = 2.5
_CREDIT_TYPE = "api"


@contextmanager
def prepare_commands(servers: Servers, share: float) -> Iterator[Sides]:
    seconds = max(0.5, _SECONDS * share)
    with shop(servers) as (_, api), servers.empty() as empty:
        yield Sides(
            ceiling=lambda: from_elsewhere(_load(empty, "/", seconds)),
            ours=partial(grant, api, seconds),
        )


@contextmanager
def shop(servers: Servers) -> Iterator[tuple[str, int]]:
    """A project in a database of its own, and the API over it: the database's URL, and the API's port."""
    with servers.database() as database_url:
        _open_shop(database_url)
        with servers.api(database_url) as api:
            yield database_url, api


def grant(api: int, seconds: float) -> Figures:
    """Credits given to customers in turn, from all connections at once."""
    given = [{"user_id": f"u{number}", "amount": 5, "reason": "benchmark"} for number in range(_CUSTOMERS)]
    return _post(api, "/api/v1/credits/grant", given, seconds, 201)


@contextmanager
def prepare_spending(servers: Servers, share: float) -> Iterator[Sides]:
    wallets = max(_CONNECTIONS, int(_WALLETS * share))
    spread = [{"user_id": f"u{number}", "amount": 1} for number in range(wallets)]
    with servers.database() as database_url:
        _open_shop(database_url)
        asyncio.run(_fill(database_url, wallets))
        with servers.api(database_url) as api:
            spend = partial(_post, api, "/api/v1/credits/consume", seconds=max(0.5, _SECONDS * share), status=200)
            yield Sides(ceiling=partial(spend, spread), ours=partial(spend, spread[:1]))


def _open_shop(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        workload.record_project(connection)


async def _fill(database_url: str, wallets: int) -> None:
    """Give every customer more credits than they can spend."""
    async with postgres.pool(database_url, name="store", size=4) as pool:
        store, vault = PostgresStore(pool), PostgresVault(pool, LocalKeyWrapper(MasterKey(bytes(32))))
        for some in _some_at_a_time(wallets):
            await asyncio.gather(*(_give(store, f"u{number}") for number in some))
            await asyncio.gather(*(_make_key(vault, f"u{number}") for number in some))
        await store.close()


def _some_at_a_time(count: int) -> Iterator[range]:
    return (range(start, min(start + 400, count)) for start in range(0, count, 400))


async def _give(store: PostgresStore, user_id: str) -> None:
    command = GrantCredits(
        account=Account(project_id=workload.PROJECT_ID, user_id=user_id, credit_type=_CREDIT_TYPE),
        amount=100_000_000,
        reason="benchmark",
        priority=50,
        expires_at=None,
    )
    await grant_credits(command, workload.context(uuid4(), datetime.now(UTC)), store)


async def _make_key(vault: PostgresVault, user_id: str) -> None:
    """A customer's data key is made at their first call, which is not what is measured here."""
    await vault.seal(customer_id(workload.PROJECT_ID, user_id), "request", "benchmark", {})


def _post(port: int, path: str, sent: Sequence[dict[str, object]], seconds: float, status: int) -> Figures:
    bodies = [json.dumps({**each, "credit_type": _CREDIT_TYPE}) for each in sent]
    return from_elsewhere(_load(port, path, seconds)._replace(bodies=bodies, status=status))


def _load(port: int, path: str, seconds: float) -> Load:
    return Load(port, [path], f"Bearer {workload.SECRET_KEY}", _CONNECTIONS, seconds)


COMMANDS = Row(
    name="commands",
    ceiling=f"an empty Starlette handler, same server settings, {_CONNECTIONS} connections",
    ours=f"POST /credits/grant to {_CUSTOMERS:,} customers: authenticated, decided, durable",
    claims=(Claim(figure="rate", unit="requests/s", aim=0.45),),
    prepare=prepare_commands,
)
SPENDING = Row(
    name="spending",
    ceiling=f"POST /credits/consume from {_WALLETS:,} wallets, {_CONNECTIONS} connections",
    ours="the same from one wallet",
    claims=(Claim(figure="rate", unit="requests/s", aim=0.8),),
    prepare=prepare_spending,
)
