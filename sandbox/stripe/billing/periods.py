"""Billing periods: where one ends, counted from the anchor; and which part of it is left."""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any


def period_end(anchor: int, recurring: Mapping[str, Any], after: int) -> int:
    """The first end of a period that lies after a second. Periods are counted from the anchor, so that months that
    begin on a 31st come back to the 31st after February.
    """
    count = max(0, _periods_between(anchor, after, recurring) - 1)
    while (end := boundary(anchor, recurring, count)) <= after:
        count += 1
    return end


def period_around(anchor: int, recurring: Mapping[str, Any], moment: int) -> tuple[int, int]:
    """The whole period (start, end) that a second lies in, also one before the anchor."""
    end = period_end(anchor, recurring, moment)
    count = 0
    while boundary(anchor, recurring, count) < end:
        count += 1
    return boundary(anchor, recurring, count - 1), end


def _periods_between(anchor: int, after: int, recurring: Mapping[str, Any]) -> int:
    """About how many, never too many."""
    longest_days = {"day": 1, "week": 7, "month": 31, "year": 366}[recurring["interval"]] * recurring["interval_count"]
    return int((after - anchor) // (longest_days * 86400))


def boundary(anchor: int, recurring: Mapping[str, Any], periods: int) -> int:
    """So many periods after (or before) the anchor. A month from January 31st ends on the last day of February."""
    begun, count = datetime.fromtimestamp(anchor, UTC), periods * recurring["interval_count"]
    if recurring["interval"] in ("day", "week"):
        return int((begun + timedelta(days=count * (7 if recurring["interval"] == "week" else 1))).timestamp())
    months = begun.month - 1 + count * (12 if recurring["interval"] == "year" else 1)
    year, month = begun.year + months // 12, months % 12 + 1
    day = min(begun.day, calendar.monthrange(year, month)[1])
    return int(begun.replace(year=year, month=month, day=day).timestamp())


def part_left(amount: int, moment: int, start: int, end: int) -> int:
    """What `amount` for a whole period comes to for the rest of it, to the second, rounded half up."""
    if end <= start:
        return 0
    whole = end - start
    left = max(0, min(whole, end - moment))
    return (2 * amount * left + whole) // (2 * whole)
