"""Payments that may still change at a gateway: the exact request that opens each checkout, sealed, and when to ask next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from psycopg.rows import dict_row

from commands.ports import Context
from runtime.postgres import Pool
from vault.port import SealedRecord

SEALED_KIND = "gateway_request"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPayment:
    """What is needed to ask the gateway again as if nobody had asked before: the same bytes under the same key."""

    payment_id: str
    project_id: str
    gateway: str
    command_id: UUID
    fingerprint: bytes
    request_id: str
    idempotency_key: str
    request: SealedRecord
    created_at: datetime
    attempts: int = 0

    def context(self, now: datetime, actor: str) -> Context:
        """The context of the command that began it, taken up again by somebody else."""
        return Context(
            command_id=self.command_id,
            fingerprint=self.fingerprint,
            project_id=self.project_id,
            actor=actor,
            request_id=self.request_id,
            causation_id=str(self.command_id),
            now=now,
        )


class OpenPayments(Protocol):
    """Kept from before the gateway is first asked until the payment has ended."""

    async def add(self, payment: OpenPayment, due_at: datetime) -> OpenPayment:
        """Keep it, unless it is kept already. Returns what is kept: a retry must send that, not its own."""
        ...

    async def get(self, payment_id: str) -> OpenPayment | None: ...

    async def due(self, now: datetime, limit: int) -> Sequence[OpenPayment]:
        """Those to ask about now, the longest due first."""
        ...

    async def postpone(self, payment_id: str, due_at: datetime, *, attempts: int) -> None: ...

    async def close(self, payment_id: str, now: datetime) -> None:
        """Nothing more is to be asked about it."""
        ...


class PostgresOpenPayments:
    """`OpenPayments` in the table `gateway.requests`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def add(self, payment: OpenPayment, due_at: datetime) -> OpenPayment:
        await self._pool.execute(
            "INSERT INTO gateway.requests (payment_id, project_id, gateway, command_id, fingerprint, request_id,"
            " idempotency_key, owner, sealed, created_at, due_at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (payment_id) DO NOTHING",
            (
                payment.payment_id,
                payment.project_id,
                payment.gateway,
                payment.command_id,
                payment.fingerprint,
                payment.request_id,
                payment.idempotency_key,
                payment.request.owner,
                payment.request.sealed,
                payment.created_at,
                due_at,
            ),
        )
        return await self.get(payment.payment_id) or payment

    async def get(self, payment_id: str) -> OpenPayment | None:
        found = await self._select("WHERE payment_id = %s", (payment_id,))
        return found[0] if found else None

    async def due(self, now: datetime, limit: int) -> Sequence[OpenPayment]:
        return await self._select("WHERE closed_at IS NULL AND due_at <= %s ORDER BY due_at LIMIT %s", (now, limit))

    async def postpone(self, payment_id: str, due_at: datetime, *, attempts: int) -> None:
        await self._pool.execute(
            "UPDATE gateway.requests SET due_at = %s, attempts = %s WHERE payment_id = %s",
            (due_at, attempts, payment_id),
        )

    async def close(self, payment_id: str, now: datetime) -> None:
        await self._pool.execute("UPDATE gateway.requests SET closed_at = %s WHERE payment_id = %s", (now, payment_id))

    async def _select(self, condition: str, values: tuple[Any, ...]) -> list[OpenPayment]:
        async with self._pool.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(f"SELECT * FROM gateway.requests {condition}", values)  # noqa: S608  # constants above
            return [_open_payment(row) for row in await cursor.fetchall()]


class MemoryOpenPayments:
    """The in-memory twin, for tests."""

    def __init__(self) -> None:
        self.kept: dict[str, OpenPayment] = {}
        self.due_at: dict[str, datetime] = {}

    async def add(self, payment: OpenPayment, due_at: datetime) -> OpenPayment:
        self.due_at.setdefault(payment.payment_id, due_at)
        return self.kept.setdefault(payment.payment_id, payment)

    async def get(self, payment_id: str) -> OpenPayment | None:
        return self.kept.get(payment_id)

    async def due(self, now: datetime, limit: int) -> Sequence[OpenPayment]:
        due = sorted((at, payment_id) for payment_id, at in self.due_at.items() if at <= now)
        return [self.kept[payment_id] for _, payment_id in due[:limit]]

    async def postpone(self, payment_id: str, due_at: datetime, *, attempts: int) -> None:
        if payment_id in self.due_at:
            self.due_at[payment_id] = due_at
            self.kept[payment_id] = replace(self.kept[payment_id], attempts=attempts)

    async def close(self, payment_id: str, now: datetime) -> None:  # noqa: ARG002
        self.due_at.pop(payment_id, None)


def _open_payment(row: Mapping[str, Any]) -> OpenPayment:
    return OpenPayment(
        payment_id=row["payment_id"],
        project_id=row["project_id"],
        gateway=row["gateway"],
        command_id=row["command_id"],
        fingerprint=row["fingerprint"],
        request_id=row["request_id"],
        idempotency_key=row["idempotency_key"],
        request=SealedRecord(row["owner"], SEALED_KIND, row["payment_id"], row["sealed"]),
        created_at=row["created_at"],
        attempts=row["attempts"],
    )
