"""Commands that this process is working on: whoever sends one of them again waits for the first to end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID


class InFlight:
    """One at a time per command id. The second then finds what the first recorded, instead of racing it."""

    def __init__(self) -> None:
        self._turns: dict[UUID, _Turn] = {}

    @asynccontextmanager
    async def turn(self, command_id: UUID) -> AsyncIterator[None]:
        turn = self._turns.setdefault(command_id, _Turn())
        turn.waiting += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.waiting -= 1
            if not turn.waiting:
                del self._turns[command_id]


class _Turn:
    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.waiting = 0
