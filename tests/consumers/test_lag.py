"""The lag that Prometheus is told: what waits in the log, and how old what is shown has become."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import REGISTRY

from consumers.lag import Lag
from eventlog.log import Batch, Source
from projections import payments
from projections.checkpoints import Checkpoint
from projections.generations import Generation
from tests.published import lives_of_payments

SOURCE = Source("payments", 0)
GENERATION = Generation(payments, 1)


def lag(unit: str) -> float:
    value = REGISTRY.get_sample_value(f"tillstream_read_model_lag_{unit}", {"read_model": "payments"})
    assert value is not None
    return value


def shown_up_to(offset: int) -> dict[Generation, dict[Source, Checkpoint]]:
    return {GENERATION: {SOURCE: Checkpoint(offset, offset, 0)}}


def test_what_waits_is_counted_and_grows_old() -> None:
    recorded_at = datetime.now(UTC) - timedelta(seconds=30)
    fact = replace(lives_of_payments(1).facts[0], recorded_at=recorded_at)
    reporting = Lag()

    reporting.applied([Batch(SOURCE, 1, [fact])])
    reporting.report(shown_up_to(1), {SOURCE: 5})

    assert lag("positions") == 4
    assert lag("seconds") == pytest.approx(time.time() - recorded_at.timestamp(), abs=1)


def test_nothing_waits_once_all_is_shown() -> None:
    reporting = Lag()

    reporting.report(shown_up_to(5), {SOURCE: 5})

    assert lag("positions") == lag("seconds") == 0


def test_an_end_that_was_heard_late_is_no_lag() -> None:
    reporting = Lag()

    reporting.report(shown_up_to(7), {SOURCE: 5})

    assert lag("positions") == 0
