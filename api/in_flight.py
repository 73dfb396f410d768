"""Commands that this process is working on: whoever sends one of them again waits for the first to end."""

import asyncio
from types import TracebackType
from uuid import UUID


class InFlight:
    """One at a time per command id. The second then finds what the first recorded, instead of racing it."""

    def __init__(self) -> None:
        self._turns: dict[UUID, Turn] = {}

    def turn(self, command_id: UUID) -> "Turn":
        """`async with` it: from when nobody else is at this command."""
        turn = self._turns.get(command_id)
        if turn is None:
            turn = self._turns[command_id] = Turn(command_id, self._turns)
        return turn


class Turn:
    """Of everybody who is at one command."""

    __slots__ = ("_command_id", "_here", "_lock", "_turns")

    def __init__(self, command_id: UUID, turns: "dict[UUID, Turn]") -> None:
        self._command_id = command_id
        self._turns = turns
        self._here = 0
        self._lock = asyncio.Lock()

    async def __aenter__(self) -> None:
        self._here += 1
        try:
            await self._lock.acquire()
        except BaseException:
            self._leave()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._lock.release()
        self._leave()

    def _leave(self) -> None:
        self._here -= 1
        if not self._here:
            del self._turns[self._command_id]
