"""Vaults to test: the one in Postgres, and its twin in memory."""

import os
from collections.abc import AsyncIterator

import pytest

from runtime.postgres import Pool, pool
from vault.keys import LocalKeyWrapper, MasterKey
from vault.memory import MemoryVault
from vault.port import Vault
from vault.records import PostgresVault


@pytest.fixture
def master_key() -> MasterKey:
    return MasterKey(os.urandom(32))


@pytest.fixture
async def connections(database_url: str) -> AsyncIterator[Pool]:
    async with pool(database_url, name="test", size=4) as opened:
        yield opened


@pytest.fixture
def postgres_vault(connections: Pool, master_key: MasterKey) -> PostgresVault:
    return PostgresVault(connections, LocalKeyWrapper(master_key))


@pytest.fixture(params=["memory", "postgres"])
def vault(request: pytest.FixtureRequest) -> Vault:
    """Every vault there is: what a test with this fixture says holds for each."""
    if request.param == "memory":
        return MemoryVault()
    chosen: Vault = request.getfixturevalue("postgres_vault")
    return chosen
