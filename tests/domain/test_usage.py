"""What was used is recorded once, and counted once or not at all."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from domain.usage import (
    USAGE,
    Status,
    Usage,
    UsageEvent,
    UsageRecorded,
    UsageRejected,
    UsageReported,
    check_time,
    record,
    reject,
    report,
)
from domain.usage.errors import IdentifierReused, UsedInFuture, UsedTooLongAgo

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
RECORDED = UsageRecorded(
    usage_id="usg_1",
    project_id="prj_1",
    user_id="u1",
    customer_id="cus_1",
    subscription_id="sub_1",
    product_id="calls",
    price_id="price_calls",
    gateway="stripe",
    gateway_subscription_id="sub_1Abc",
    quantity=250,
    used_at=NOW,
    identifier="job-7",
)
REPORTED = UsageReported(usage_id="usg_1")
REJECTED = UsageRejected(usage_id="usg_1", code="no_meter", reason="The price has no meter.")


def given(*events: UsageEvent) -> Usage:
    usage = USAGE.fold(events)
    assert usage is not None
    return usage


def test_use_is_recorded_once_though_its_subscription_changes_plan_between_two_tries() -> None:
    assert record(None, RECORDED) == [RECORDED]
    assert record(given(RECORDED), RECORDED) == []
    assert record(given(RECORDED, REPORTED), replace(RECORDED, subscription_id="sub_2", price_id="price_new")) == []


@pytest.mark.parametrize(
    "changed",
    [{"quantity": 251}, {"user_id": "u2"}, {"product_id": "bytes"}, {"used_at": NOW - timedelta(seconds=1)}],
)
def test_an_identifier_stands_for_one_use(changed: dict[str, object]) -> None:
    with pytest.raises(IdentifierReused, match="250"):
        record(given(RECORDED), replace(RECORDED, **changed))  # type: ignore[arg-type]


@pytest.mark.parametrize("ago", [timedelta(days=35), timedelta(), timedelta(minutes=-5)])
def test_what_the_gateway_counts_may_be_recorded(ago: timedelta) -> None:
    check_time(NOW - ago, NOW)


def test_what_it_counts_no_more_or_not_yet_is_refused() -> None:
    with pytest.raises(UsedTooLongAgo, match="35 days"):
        check_time(NOW - timedelta(days=35, seconds=1), NOW)
    with pytest.raises(UsedInFuture, match="clock"):
        check_time(NOW + timedelta(minutes=5, seconds=1), NOW)


def test_the_first_end_is_the_end() -> None:
    assert report(given(RECORDED)) == [REPORTED]
    assert reject(given(RECORDED), "no_meter", "The price has no meter.") == [REJECTED]
    assert report(given(RECORDED, REJECTED)) == reject(given(RECORDED, REPORTED), "late", "Too late.") == []
    assert given(RECORDED, REJECTED).status is Status.REJECTED
    assert given(RECORDED, REPORTED).status is Status.REPORTED
