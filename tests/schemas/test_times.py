"""How a moment is written."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from schemas import times


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 3, 1, 12, 0, tzinfo=UTC), "2026-03-01T12:00:00.000000Z"),
        (datetime(2026, 12, 31, 23, 59, 59, 12_300, tzinfo=UTC), "2026-12-31T23:59:59.012300Z"),
        (datetime(2026, 3, 1, 1, 30, tzinfo=timezone(timedelta(hours=2))), "2026-02-28T23:30:00.000000Z"),
    ],
)
def test_a_moment_is_written_in_utc_with_six_digits_and_read_back(moment: datetime, text: str) -> None:
    assert times.to_text(moment) == text
    assert times.from_text(text) == moment


@pytest.mark.parametrize(
    "text", ["2026-03-01T12:00:00Z", "2026-03-01T12:00:00.000000+00:00", "2026-03-01T12:00:00.0000000", "20260301", ""]
)
def test_any_other_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not of the form"):
        times.from_text(text)


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        times.to_text(datetime(2026, 3, 1))  # noqa: DTZ001 (that is the point)


def test_microseconds_count_from_1970() -> None:
    assert times.to_micros(datetime(1970, 1, 2, 0, 0, 0, 7, tzinfo=UTC)) == 86_400_000_007
    assert times.to_micros(datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)) == -1
