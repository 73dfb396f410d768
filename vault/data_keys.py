"""Each owner's data key: made at its first use, kept wrapped in Postgres, remembered for a minute, shredded for ever."""

import os
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from runtime.postgres import Pool
from vault.connections import connected
from vault.keys import KeyWrapper
from vault.port import Shredded
from vault.sealing import KEY_BYTES

REMEMBERED_SECONDS = 60.0  # How long another process may still open what was shredded in this one.
REMEMBERED_KEYS = 10_000

_FIND = "SELECT owner, wrapped FROM vault.data_keys WHERE owner = ANY(%b)"
_ADD = "INSERT INTO vault.data_keys (owner, wrapped) VALUES (%b, %b) ON CONFLICT (owner) DO NOTHING"
_SHRED = """
    INSERT INTO vault.data_keys (owner, wrapped, shredded_at) VALUES (%b, NULL, clock_timestamp())
    ON CONFLICT (owner) DO UPDATE SET wrapped = NULL, shredded_at = clock_timestamp()
    WHERE data_keys.wrapped IS NOT NULL
"""


class DataKeys:
    """The data keys of all owners, as Postgres keeps them."""

    def __init__(self, pool: Pool, wrapper: KeyWrapper, remembered: "RememberedKeys | None" = None) -> None:
        self._pool = pool
        self._wrapper = wrapper
        self._remembered = remembered or RememberedKeys()

    async def make_sure(self, owner: str) -> bytes:
        """The owner's data key, made now if there was none. Whoever makes it first, all processes use that one.

        Raises `Shredded` for an owner whose key was shredded: it gets no second one.
        """
        key = await self.find(owner)
        if key is None:
            await self._add(owner)
            key = await self.find(owner)
            assert key is not None, "added by us, or by a rival who was faster"
        return key

    def at_hand(self, owner: str) -> bytes | None:
        """The owner's data key, if it is remembered."""
        kept = self._remembered.get(owner)
        return None if kept is None else kept.key

    async def find(self, owner: str) -> bytes | None:
        """The owner's data key; None where nothing was ever sealed for them. Raises `Shredded`."""
        found = await self.find_many([owner])
        if owner not in found:
            return None
        key = found[owner]
        if key is None:
            raise Shredded(f"What was sealed for {owner} was shredded and cannot be read again.")
        return key

    async def find_many(self, owners: list[str]) -> dict[str, bytes | None]:
        """Data keys by owner, None where the key was shredded; owners who never had one are left out."""
        found = {owner: kept.key for owner in owners if (kept := self._remembered.get(owner)) is not None}
        missing = [owner for owner in owners if owner not in found]
        if missing:
            async with connected(self._pool) as connection:
                rows = await (await connection.execute(_FIND, (missing,), binary=True)).fetchall()
            for owner, wrapped in rows:
                key = None if wrapped is None else await self._wrapper.unwrap(owner, wrapped)
                found[owner] = self._remembered.keep(owner, key)
        return found

    async def shred(self, owner: str) -> None:
        """Destroy the key. At once in this process, within `REMEMBERED_SECONDS` in the others. Harmless when repeated."""
        async with connected(self._pool) as connection:
            await connection.execute(_SHRED, (owner,))
        self._remembered.keep(owner, None)

    async def _add(self, owner: str) -> None:
        key = os.urandom(KEY_BYTES)
        wrapped = await self._wrapper.wrap(owner, key)
        async with connected(self._pool) as connection:
            added = await connection.execute(_ADD, (owner, wrapped))
        if added.rowcount == 1:
            self._remembered.keep(owner, key)


@dataclass(frozen=True, slots=True)
class _Kept:
    key: bytes | None  # None: shredded
    until: float


class RememberedKeys:
    """Unwrapped data keys in memory, the least used forgotten first. That a key was shredded is remembered too."""

    def __init__(
        self,
        size: int = REMEMBERED_KEYS,
        seconds: float = REMEMBERED_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._size = size
        self._seconds = seconds
        self._clock = clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def get(self, owner: str) -> _Kept | None:
        kept = self._kept.get(owner)
        if kept is None or kept.until <= self._clock():
            return None
        self._kept.move_to_end(owner)
        return kept

    def keep(self, owner: str, key: bytes | None) -> bytes | None:
        """Remember a key, and return what is true of it now.

        A key that was read just before a shredding, and comes here just after it, does not bring the owner back.
        """
        known = self.get(owner)
        if known is not None and known.key is None:
            return None
        self._kept[owner] = _Kept(key, self._clock() + self._seconds)
        self._kept.move_to_end(owner)
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)
        return key
