"""The audit trail, as it is shown."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field

from api.models.fields import CursorText, Limit, QueryModel, Wanted


class AuditQuery(QueryModel):
    resource_id: Wanted | None = None
    limit: Limit = 100
    cursor: CursorText | None = None


class AuditEntry(BaseModel):
    """One fact: who did what to what, and what it changed."""

    event_id: str
    position: Annotated[int, Field(description="Its place in the order of all facts, from 1 without a gap.")]
    actor_type: str
    actor_id: str
    action: Annotated[str, Field(description="The event's type, such as payment.succeeded.")]
    resource_type: str
    resource_id: str
    old_values: Annotated[dict[str, Any], Field(description="What these fields were before, where they were anything.")]
    new_values: Annotated[dict[str, Any], Field(description="What it changed, or said for the first time.")]
    ip_address: str | None
    user_agent: str | None
    request_id: str
    correlation_id: str
    causation_id: str
    timestamp: datetime
    hash: Annotated[str, Field(description="SHA-256 over this fact and the hash before it, hexadecimal.")]


class AuditTrail(BaseModel):
    """Every fact of one payment, in order."""

    entries: list[AuditEntry]


class AuditPage(AuditTrail):
    """Every fact of the project, in order. `next_cursor` is null at the end."""

    next_cursor: str | None
