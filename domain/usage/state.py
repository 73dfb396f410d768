"""Usage as its facts have made it."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import assert_never

from domain.streams import Kind
from domain.usage.events import UsageEvent, UsageRecorded, UsageRejected, UsageReported


class Status(StrEnum):
    RECORDED = "recorded"  # and still to be reported
    REPORTED = "reported"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    recorded: UsageRecorded
    status: Status = Status.RECORDED
    failure_code: str | None = None
    failure_reason: str | None = None

    @property
    def used_at(self) -> datetime:
        return self.recorded.used_at

    @property
    def ended(self) -> bool:
        return self.status is not Status.RECORDED


def evolve(usage: Usage | None, event: UsageEvent) -> Usage:
    """Apply one fact. Never refuses: what happened, happened."""
    if isinstance(event, UsageRecorded):
        return Usage(recorded=event)
    assert usage is not None, "reported or rejected before it was recorded"
    match event:
        case UsageReported():
            return replace(usage, status=Status.REPORTED)
        case UsageRejected():
            return replace(usage, status=Status.REJECTED, failure_code=event.code, failure_reason=event.reason)
        case _:
            assert_never(event)


USAGE: Kind[Usage, UsageEvent] = Kind("usage", evolve)
