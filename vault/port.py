"""What the rest of the house knows of the vault: sealed bytes, and the one who seals and opens them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.errors import DomainError, ErrorType


@dataclass(frozen=True, slots=True)
class SealedRecord:
    """Something personal, sealed. `owner` (`cus_…` or `prj_…`) names the data key; shredding it makes this noise.

    (owner, kind, id) names the record: `("cus_…", "contact", "pay_…")`. Bound into the seal, so that records cannot be swapped.
    """

    owner: str
    kind: str
    id: str
    sealed: bytes
    expires_at: datetime | None = None


class Vault(Protocol):
    """Seals and opens. Contents are JSON objects of strings. Raises `VaultUnavailable` where its memory does not answer."""

    async def seal(
        self, owner: str, kind: str, id: str, content: Mapping[str, str], expires_at: datetime | None = None
    ) -> SealedRecord:
        """Seal under the owner's data key, which is made at its first use. Writes no record: a commit takes it along.

        Raises `Shredded` for an owner whose key was shredded: what is new of them is sealed for somebody else, or not at all.
        """
        ...

    async def put(self, record: SealedRecord) -> None:
        """Write a record by itself, or replace the one of that name."""
        ...

    async def open(self, owner: str, kind: str, id: str) -> Mapping[str, str] | None:
        """The content; None where there is no such record, it has expired, or its key was shredded."""
        ...

    async def open_many(self, kind: str, ids: list[str], owners: list[str]) -> Mapping[str, Mapping[str, str]]:
        """Contents by id of all these records that can be opened."""
        ...

    async def open_bytes(self, record: SealedRecord) -> Mapping[str, str]:
        """The content of sealed bytes that stand elsewhere than in the vault's own table. Raises `Shredded`."""
        ...

    async def shred(self, owner: str) -> None:
        """Destroy the owner's data key: nothing sealed with it can ever be read again."""
        ...

    async def forget_expired(self, limit: int) -> int:
        """Delete records that have expired, at most `limit` of them. How many there were."""
        ...


class Shredded(Exception):
    """The owner's data key is gone, on purpose."""


class VaultUnavailable(DomainError):
    """Postgres does not answer: nothing can be sealed or opened for now."""

    type: ErrorType = "system_error"
    code = "vault_unavailable"
    retry_after_seconds = 2

    def __init__(self) -> None:
        super().__init__(
            "What is personal cannot be sealed or opened for the moment; ask again soon with the same Idempotency-Key."
        )
