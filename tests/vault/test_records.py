"""The vault in Postgres: what its tables hold, and what several processes see of each other."""

import asyncio
import os

import psycopg
import pytest

from runtime.postgres import Pool, pool
from sandbox.addresses import free_port
from vault.data_keys import REMEMBERED_SECONDS, DataKeys, RememberedKeys
from vault.keys import LocalKeyWrapper, MasterKey, MasterKeyUnknown
from vault.port import Shredded, VaultUnavailable
from vault.records import PostgresVault
from vault.sealing import SealBroken

ADA, BOB = "cus_ada", "cus_bob"
CONTACT = {"email": "ada@example.com"}


async def test_the_database_holds_neither_the_content_nor_the_data_key(
    postgres_vault: PostgresVault, connections: Pool, master_key: MasterKey
) -> None:
    await postgres_vault.put(await postgres_vault.seal(ADA, "contact", "pay_1", CONTACT))
    data_key = await DataKeys(connections, LocalKeyWrapper(master_key)).find(ADA)
    assert data_key is not None

    async with connections.connection() as connection:
        rows = await connection.execute(
            "SELECT sealed FROM vault.records UNION ALL SELECT wrapped FROM vault.data_keys"
        )
        stored = b"".join([row[0] async for row in rows])

    assert b"ada@example.com" not in stored
    assert data_key not in stored
    assert master_key.secret not in stored


async def test_processes_that_make_an_owners_key_at_once_agree_on_one(connections: Pool, master_key: MasterKey) -> None:
    processes = [PostgresVault(connections, LocalKeyWrapper(master_key)) for _ in range(8)]

    records = await asyncio.gather(
        *(each.seal(ADA, "contact", f"pay_{n}", CONTACT) for n, each in enumerate(processes))
    )

    reader = PostgresVault(connections, LocalKeyWrapper(master_key))
    assert [await reader.open_bytes(record) for record in records] == [CONTACT] * 8


async def test_shredding_destroys_the_wrapped_key_itself(postgres_vault: PostgresVault, connections: Pool) -> None:
    await postgres_vault.seal(ADA, "contact", "pay_1", CONTACT)

    await postgres_vault.shred(ADA)

    async with connections.connection() as connection:
        rows = await connection.execute("SELECT owner, wrapped, shredded_at IS NOT NULL FROM vault.data_keys")
        assert await rows.fetchall() == [(ADA, None, True)]


async def test_another_process_opens_what_was_shredded_for_a_minute_at_most(
    connections: Pool, master_key: MasterKey
) -> None:
    now = 1000.0
    here = DataKeys(connections, LocalKeyWrapper(master_key))
    there = DataKeys(connections, LocalKeyWrapper(master_key), RememberedKeys(clock=lambda: now))
    key = await here.make_sure(ADA)
    assert await there.find(ADA) == key

    await here.shred(ADA)
    now += REMEMBERED_SECONDS - 1
    assert await there.find(ADA) == key

    now += 1
    with pytest.raises(Shredded):
        await there.find(ADA)


def test_a_key_read_just_before_a_shredding_does_not_come_back_after_it() -> None:
    remembered = RememberedKeys()
    remembered.keep(ADA, None)

    assert remembered.keep(ADA, b"read before") is None
    kept = remembered.get(ADA)
    assert kept is not None
    assert kept.key is None


def test_of_too_many_keys_the_least_used_is_forgotten() -> None:
    remembered = RememberedKeys(size=2)
    remembered.keep(ADA, b"a")
    remembered.keep(BOB, b"b")
    remembered.get(ADA)

    remembered.keep("cus_eve", b"e")

    assert [remembered.get(owner) is not None for owner in (ADA, BOB, "cus_eve")] == [True, False, True]


async def test_a_retired_master_key_still_opens_what_it_wrapped(connections: Pool, master_key: MasterKey) -> None:
    before = PostgresVault(connections, LocalKeyWrapper(master_key))
    record = await before.seal(ADA, "contact", "pay_1", CONTACT)

    successor = MasterKey(os.urandom(32))
    after = PostgresVault(connections, LocalKeyWrapper(successor, master_key))

    assert await after.open_bytes(record) == CONTACT
    younger = await after.seal(BOB, "contact", "pay_2", CONTACT)
    assert await PostgresVault(connections, LocalKeyWrapper(successor)).open_bytes(younger) == CONTACT


async def test_another_master_key_opens_nothing_and_says_which_is_needed(
    postgres_vault: PostgresVault, connections: Pool
) -> None:
    record = await postgres_vault.seal(ADA, "contact", "pay_1", CONTACT)
    stranger = PostgresVault(connections, LocalKeyWrapper(MasterKey(os.urandom(32))))

    with pytest.raises(MasterKeyUnknown, match="TILLSTREAM_MASTER_KEY"):
        await stranger.open_bytes(record)


async def test_records_and_keys_swapped_in_the_database_do_not_open(
    postgres_vault: PostgresVault, connections: Pool, master_key: MasterKey
) -> None:
    await postgres_vault.put(await postgres_vault.seal(ADA, "contact", "pay_1", CONTACT))
    await postgres_vault.put(await postgres_vault.seal(ADA, "contact", "pay_2", {"email": "bob@example.com"}))
    await postgres_vault.seal(BOB, "contact", "pay_3", CONTACT)
    async with connections.connection() as connection:
        await connection.execute(
            "UPDATE vault.records r SET sealed = o.sealed FROM vault.records o WHERE r.id = 'pay_1' AND o.id = 'pay_2'"
        )
        await connection.execute(
            "UPDATE vault.data_keys k SET wrapped = o.wrapped FROM vault.data_keys o"
            " WHERE k.owner = 'cus_bob' AND o.owner = 'cus_ada'"
        )

    with pytest.raises(SealBroken):
        await postgres_vault.open(ADA, "contact", "pay_1")
    with pytest.raises(SealBroken):
        await DataKeys(connections, LocalKeyWrapper(master_key)).find(BOB)


async def test_a_record_inserted_by_another_transaction_opens_like_one_that_was_put(
    postgres_vault: PostgresVault, database_url: str
) -> None:
    record = await postgres_vault.seal(ADA, "contact", "pay_1", CONTACT)
    with psycopg.connect(database_url) as store:
        store.execute(
            "INSERT INTO vault.records (owner, kind, id, sealed, expires_at) VALUES (%s, %s, %s, %s, %s)",
            (record.owner, record.kind, record.id, record.sealed, record.expires_at),
        )

    assert await postgres_vault.open(ADA, "contact", "pay_1") == CONTACT


async def test_without_postgres_the_vault_says_so_in_its_own_words(master_key: MasterKey) -> None:
    nobody_listens = f"postgresql://127.0.0.1:{free_port()}/tillstream"
    unreachable = pool(nobody_listens, name="test", size=1, timeout_seconds=0.2)
    await unreachable.open(wait=False)
    try:
        with pytest.raises(VaultUnavailable) as caught:
            await PostgresVault(unreachable, LocalKeyWrapper(master_key)).seal(ADA, "contact", "pay_1", CONTACT)
    finally:
        await unreachable.close()
    assert caught.value.retry_after_seconds
