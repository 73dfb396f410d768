"""The vault's twin in memory, for tests: the same seals, kept in dictionaries."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime

from vault.port import SealedRecord, Shredded
from vault.sealing import KEY_BYTES, seal, unseal


class MemoryVault:
    """`vault.port.Vault` that lives as long as it is held. A shredded key is None."""

    def __init__(self) -> None:
        self._keys: dict[str, bytes | None] = {}
        self._records: dict[tuple[str, str, str], SealedRecord] = {}

    async def seal(
        self, owner: str, kind: str, id: str, content: Mapping[str, str], expires_at: datetime | None = None
    ) -> SealedRecord:
        key = self._keys.setdefault(owner, os.urandom(KEY_BYTES))
        if key is None:
            raise Shredded(f"What was sealed for {owner} was shredded and cannot be read again.")
        return SealedRecord(owner, kind, id, seal(key, owner, kind, id, content), expires_at)

    async def put(self, record: SealedRecord) -> None:
        self._records[record.owner, record.kind, record.id] = record

    async def open(self, owner: str, kind: str, id: str) -> Mapping[str, str] | None:
        return (await self.open_many(kind, [id], [owner])).get(id)

    async def open_many(self, kind: str, ids: list[str], owners: list[str]) -> Mapping[str, Mapping[str, str]]:
        names = [(owner, kind, id) for id in ids for owner in sorted(owners)]
        found = [self._records[name] for name in names if name in self._records]
        return {
            record.id: await self.open_bytes(record)
            for record in found
            if not _expired(record) and self._keys.get(record.owner)
        }

    async def open_bytes(self, record: SealedRecord) -> Mapping[str, str]:
        key = self._keys.get(record.owner)
        if key is None:
            raise Shredded(f"There is no data key for {record.owner}: what was sealed for them cannot be read.")
        return unseal(key, record.owner, record.kind, record.id, record.sealed)

    async def shred(self, owner: str) -> None:
        self._keys[owner] = None

    async def forget_expired(self, limit: int) -> int:
        expired = [name for name, record in self._records.items() if _expired(record)][:limit]
        for name in expired:
            del self._records[name]
        return len(expired)


def _expired(record: SealedRecord) -> bool:
    return record.expires_at is not None and record.expires_at <= datetime.now(UTC)
