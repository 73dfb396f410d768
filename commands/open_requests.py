"""What is still open at a gateway: the exact request that began it, sealed, where it was ours, and when to ask next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from commands.ports import Context
from runtime.postgres import Pool
from vault.port import SealedRecord, Vault

SEALED_KIND = "gateway_request"


class RequestKind(StrEnum):
    """What is to come of it: how it is asked for again, and when it has ended, is each kind's own."""

    CHECKOUT = "checkout"  # by the payment's id
    REFUND = "refund"  # by our id of it
    DISPUTE = "dispute"  # by the gateway's id of it
    SUBSCRIPTION = "subscription"  # by its own id: there is nothing to send, only to ask after
    SUBSCRIPTION_CHANGE = "subscription_change"  # by our id of it
    USAGE = "usage"  # by our id of it: its facts say all that is to be sent


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRequest:
    """What is needed to ask the gateway again as if nobody had asked before: the same bytes under the same key.

    (kind, id) names it; `stream_id` is the stream that its outcome belongs to. `request` is None where somebody else began
    it, and there is nothing to send, only to ask after.
    """

    kind: RequestKind
    id: str
    stream_id: str
    project_id: str
    gateway: str
    command_id: UUID
    fingerprint: bytes
    request_id: str
    created_at: datetime
    idempotency_key: str | None = None
    request: SealedRecord | None = None
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


async def to_send(kept: OpenRequest, vault: Vault) -> tuple[bytes, str]:
    """The bytes that were kept for the gateway, and the key under which they go. Raises `Shredded`."""
    assert kept.request is not None, "only what we began can be sent again"
    assert kept.idempotency_key is not None, "kept with the request"
    content = await vault.open_bytes(kept.request)
    return content["request"].encode(), kept.idempotency_key


class OpenRequests(Protocol):
    """Kept from before the gateway is first asked, or from when it told of it, until its outcome is known."""

    async def add(self, opened: OpenRequest, due_at: datetime) -> OpenRequest:
        """Keep it, unless it is kept already. Returns what is kept: a retry must send that, not its own."""
        ...

    async def get(self, kind: RequestKind, id: str) -> OpenRequest | None: ...

    async def due(self, now: datetime, limit: int) -> Sequence[OpenRequest]:
        """Those to ask about now, the longest due first."""
        ...

    async def postpone(self, kind: RequestKind, id: str, due_at: datetime, *, attempts: int) -> None: ...

    async def close(self, kind: RequestKind, id: str, now: datetime) -> None:
        """Nothing more is to be asked about it."""
        ...


class PostgresOpenRequests:
    """`OpenRequests` in the table `gateway.requests`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def add(self, opened: OpenRequest, due_at: datetime) -> OpenRequest:
        await self._pool.execute(
            "INSERT INTO gateway.requests (kind, id, stream, project_id, gateway, command_id, fingerprint, request_id,"
            " idempotency_key, owner, sealed, created_at, due_at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (kind, id) DO NOTHING",
            (
                opened.kind,
                opened.id,
                opened.stream_id,
                opened.project_id,
                opened.gateway,
                opened.command_id,
                opened.fingerprint,
                opened.request_id,
                opened.idempotency_key,
                opened.request.owner if opened.request else None,
                opened.request.sealed if opened.request else None,
                opened.created_at,
                due_at,
            ),
        )
        return await self.get(opened.kind, opened.id) or opened

    async def get(self, kind: RequestKind, id: str) -> OpenRequest | None:
        found = await self._select("WHERE kind = %s AND id = %s", (kind, id))
        return found[0] if found else None

    async def due(self, now: datetime, limit: int) -> Sequence[OpenRequest]:
        return await self._select("WHERE closed_at IS NULL AND due_at <= %s ORDER BY due_at LIMIT %s", (now, limit))

    async def postpone(self, kind: RequestKind, id: str, due_at: datetime, *, attempts: int) -> None:
        await self._pool.execute(
            "UPDATE gateway.requests SET due_at = %s, attempts = %s WHERE kind = %s AND id = %s",
            (due_at, attempts, kind, id),
        )

    async def close(self, kind: RequestKind, id: str, now: datetime) -> None:
        await self._pool.execute(
            "UPDATE gateway.requests SET closed_at = %s WHERE kind = %s AND id = %s AND closed_at IS NULL",
            (now, kind, id),
        )

    async def _select(self, condition: str, values: tuple[Any, ...]) -> list[OpenRequest]:
        rows = await self._pool.rows(f"SELECT * FROM gateway.requests {condition}", values)  # noqa: S608  # constants above
        return [_open_request(row) for row in rows]


class MemoryOpenRequests:
    """The in-memory twin, for tests."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], OpenRequest] = {}
        self.due_at: dict[tuple[str, str], datetime] = {}

    async def add(self, opened: OpenRequest, due_at: datetime) -> OpenRequest:
        name = (opened.kind, opened.id)
        if name not in self.kept:
            self.kept[name], self.due_at[name] = opened, due_at
        return self.kept[name]

    async def get(self, kind: RequestKind, id: str) -> OpenRequest | None:
        return self.kept.get((kind, id))

    async def due(self, now: datetime, limit: int) -> Sequence[OpenRequest]:
        due = sorted((at, name) for name, at in self.due_at.items() if at <= now)
        return [self.kept[name] for _, name in due[:limit]]

    async def postpone(self, kind: RequestKind, id: str, due_at: datetime, *, attempts: int) -> None:
        if (kind, id) in self.due_at:
            self.due_at[kind, id] = due_at
            self.kept[kind, id] = replace(self.kept[kind, id], attempts=attempts)

    async def close(self, kind: RequestKind, id: str, now: datetime) -> None:  # noqa: ARG002
        self.due_at.pop((kind, id), None)


def _open_request(row: Mapping[str, Any]) -> OpenRequest:
    sealed = row["sealed"]
    return OpenRequest(
        kind=RequestKind(row["kind"]),
        id=row["id"],
        stream_id=row["stream"],
        project_id=row["project_id"],
        gateway=row["gateway"],
        command_id=row["command_id"],
        fingerprint=row["fingerprint"],
        request_id=row["request_id"],
        created_at=row["created_at"],
        idempotency_key=row["idempotency_key"],
        request=SealedRecord(row["owner"], SEALED_KIND, row["id"], sealed) if sealed is not None else None,
        attempts=row["attempts"],
    )
