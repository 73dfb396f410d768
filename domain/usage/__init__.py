"""Metered usage: what a customer used of a metered product, and whether the gateway has counted it."""

from domain.usage.events import UsageEvent, UsageRecorded, UsageRejected, UsageReported
from domain.usage.reporting import check_time, record, reject, repeats, report
from domain.usage.state import USAGE, Status, Usage

__all__ = [
    "USAGE",
    "Status",
    "Usage",
    "UsageEvent",
    "UsageRecorded",
    "UsageRejected",
    "UsageReported",
    "check_time",
    "record",
    "reject",
    "repeats",
    "report",
]
