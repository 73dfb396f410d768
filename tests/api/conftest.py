"""The application in memory: the store's and the vault's twins, the real gateway against the look-alike, no socket of ours."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from api.app import create_app
from api.in_flight import InFlight
from api.project_cache import ProjectCache
from api.state import Services
from commands.missed import PostgresMarks
from commands.notices import Notices, PostgresNotices
from commands.open_requests import MemoryOpenRequests, OpenRequests, PostgresOpenRequests
from commands.ports import Context, Decide, EventStore, Receipt
from commands.store.memory import MemoryStore
from commands.store.postgres import PostgresStore
from consumers.reconciler import Reconciler
from domain.streams import Stream
from eventlog.feed import Feed
from gateways.port import Gateway
from gateways.stripe.client import StripeGateway
from projections import payments
from projections.generations import LiveGenerations
from runtime import postgres
from runtime.postgres import Pool
from schemas.contracts import contracts
from schemas.registry import Registry
from tests.api.process import environment_of
from tests.api.shop import OPERATOR_TOKEN, Shop, register
from vault.keys import LocalKeyWrapper, MasterKey
from vault.memory import MemoryVault
from vault.port import Vault
from vault.records import PostgresVault


class Memory(MemoryStore):
    """The store's twin, sharing its sealed records with the vault's twin as the two share a database."""

    def __init__(self, vault: MemoryVault) -> None:
        super().__init__()
        self._vault = vault

    async def record(self, context: Context, streams: Sequence[Stream[Any, Any]], decide: Decide) -> Receipt:
        receipt = await super().record(context, streams, decide)
        if not receipt.replayed:
            for record in context.sealed:
                await self._vault.put(record)
        return receipt


def services_of(
    store: EventStore, gateway: Gateway, vault: Vault, open_requests: OpenRequests, notices: Notices, reads: Pool
) -> Services:
    """The services over these parts, and what follows from them."""
    live = LiveGenerations(reads)
    return Services(
        store=store,
        gateway=gateway,
        patient_gateway=gateway,
        vault=vault,
        open_requests=open_requests,
        notices=notices,
        reads=reads,
        live=live,
        payments=payments.by_id(reads, live),
        standings=payments.standing_by_id(reads, live),
        feed=Feed(reads),
        projects=ProjectCache(store),
        in_flight=InFlight(),
        operator_token=OPERATOR_TOKEN,
        url="http://api.test",
    )


@pytest.fixture
def store(services: Services) -> Memory:
    store = services["store"]
    assert isinstance(store, Memory)
    return store


@pytest.fixture
def services(gateway: StripeGateway) -> Services:
    vault = MemoryVault()
    nowhere = postgres.pool("postgresql://127.0.0.1:1/nowhere", name="none", size=1)
    return services_of(Memory(vault), gateway, vault, MemoryOpenRequests(), PostgresNotices(nowhere), nowhere)


@pytest.fixture
def request_lines() -> list[Mapping[str, Any]]:
    """A line for each request, as it stands in the log."""
    return []


@pytest.fixture
def client_of(request_lines: list[Mapping[str, Any]]) -> Callable[[Services], httpx.AsyncClient]:
    def build(services: Services) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(
            create_app(services, Registry(contracts().values(), "test."), request_lines.append),
            client=("203.0.113.7", 50_000),
        )
        return httpx.AsyncClient(transport=transport, base_url="http://api.test")

    return build


@pytest.fixture
async def client(
    services: Services, client_of: Callable[[Services], httpx.AsyncClient]
) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(services) as client:
        yield client


@pytest.fixture
async def shop(client: httpx.AsyncClient) -> Shop:
    """A project that sells an e-book and credits."""
    return await register(client)


@pytest.fixture
async def real_services(database_url: str, gateway: StripeGateway) -> AsyncIterator[Services]:
    """The services as the process has them, on a database of the test's own."""
    async with AsyncExitStack() as closing:
        writes, reads = (postgres.pool(database_url, name=name, size=6) for name in ("writes", "reads"))
        for pool in (writes, reads):
            await pool.open()
            closing.push_async_callback(pool.close)
        store = PostgresStore(writes)
        closing.push_async_callback(store.close)
        vault = PostgresVault(writes, LocalKeyWrapper(MasterKey(b"k" * 32)))
        yield services_of(store, gateway, vault, PostgresOpenRequests(writes), PostgresNotices(writes), reads)


@pytest.fixture
def reconciler(real_services: Services) -> Reconciler:
    """The reconciler of these services."""
    return Reconciler(
        real_services["store"],
        real_services["gateway"],
        real_services["vault"],
        real_services["notices"],
        real_services["open_requests"],
        PostgresMarks(real_services["reads"]),
    )


@pytest.fixture
async def real_shop(real_services: Services, client_of: Callable[[Services], httpx.AsyncClient]) -> AsyncIterator[Shop]:
    """A project that is recorded in Postgres. `tests.api.reading.catch_up` shows it in the read models."""
    async with client_of(real_services) as client:
        yield await register(client)


@pytest.fixture
def environment(database_url: str, stripe_address: str) -> dict[str, str]:
    return environment_of(database_url, stripe_address)
