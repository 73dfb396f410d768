"""The vault in Postgres: sealed records by owner, kind and id, and the data keys that open them."""

from collections.abc import Mapping
from datetime import datetime

from runtime.postgres import Pool
from vault.connections import connected
from vault.data_keys import DataKeys
from vault.keys import KeyWrapper
from vault.port import SealedRecord, Shredded
from vault.sealing import seal, unseal

_PUT = """
    INSERT INTO vault.records (owner, kind, id, sealed, expires_at) VALUES (%s, %s, %s, %s, %s)
    ON CONFLICT (kind, id, owner) DO UPDATE
    SET sealed = excluded.sealed, expires_at = excluded.expires_at, recorded_at = clock_timestamp()
"""
_FIND = """
    SELECT owner, id, sealed FROM vault.records
    WHERE kind = %s AND id = ANY(%s) AND owner = ANY(%s)
      AND (expires_at IS NULL OR expires_at > clock_timestamp())
    ORDER BY id, owner
"""
_FORGET_EXPIRED = """
    DELETE FROM vault.records WHERE (kind, id, owner) IN (
        SELECT kind, id, owner FROM vault.records WHERE expires_at <= clock_timestamp()
        ORDER BY expires_at LIMIT %s FOR UPDATE SKIP LOCKED
    )
"""


class PostgresVault:
    """`vault.port.Vault` over `vault.records` and `vault.data_keys`. The event store's commits insert records too."""

    def __init__(self, pool: Pool, wrapper: KeyWrapper) -> None:
        self._pool = pool
        self._keys = DataKeys(pool, wrapper)

    async def seal(
        self, owner: str, kind: str, id: str, content: Mapping[str, str], expires_at: datetime | None = None
    ) -> SealedRecord:
        key = self._keys.at_hand(owner) or await self._keys.make_sure(owner)
        return SealedRecord(owner, kind, id, seal(key, owner, kind, id, content), expires_at)

    async def put(self, record: SealedRecord) -> None:
        row = (record.owner, record.kind, record.id, record.sealed, record.expires_at)
        async with connected(self._pool) as connection:
            await connection.execute(_PUT, row)

    async def open(self, owner: str, kind: str, id: str) -> Mapping[str, str] | None:
        return (await self.open_many(kind, [id], [owner])).get(id)

    async def open_many(self, kind: str, ids: list[str], owners: list[str]) -> Mapping[str, Mapping[str, str]]:
        async with connected(self._pool) as connection:
            rows = await (await connection.execute(_FIND, (kind, ids, owners))).fetchall()
        keys = await self._keys.find_many(sorted({owner for owner, _, _ in rows}))
        return {id: unseal(key, owner, kind, id, sealed) for owner, id, sealed in rows if (key := keys.get(owner))}

    async def open_bytes(self, record: SealedRecord) -> Mapping[str, str]:
        key = await self._keys.find(record.owner)
        if key is None:
            raise Shredded(f"There is no data key for {record.owner}: what was sealed for them cannot be read.")
        return unseal(key, record.owner, record.kind, record.id, record.sealed)

    async def shred(self, owner: str) -> None:
        await self._keys.shred(owner)

    async def forget_expired(self, limit: int) -> int:
        async with connected(self._pool) as connection:
            return (await connection.execute(_FORGET_EXPIRED, (limit,))).rowcount
