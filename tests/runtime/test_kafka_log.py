"""What librdkafka reports again and again is said seldom."""

import logging

import pytest

import runtime.kafka  # noqa: F401 - makes the log seldom


def test_a_trouble_that_lasts_is_said_once_a_minute(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("runtime.kafka.time.monotonic", lambda: now)
    library = logging.getLogger("librdkafka")

    for tick in range(120):
        now = 1000.0 + tick
        library.error("Connect to a broker that is away failed (after %sms in state CONNECT)", tick)

    assert len(caplog.messages) == 2


def test_another_trouble_is_said_at_once(caplog: pytest.LogCaptureFixture) -> None:
    library = logging.getLogger("librdkafka")

    library.error("one broker is away (after 1ms)")
    library.error("another broker is away (after 1ms)")

    assert len(caplog.messages) == 2
