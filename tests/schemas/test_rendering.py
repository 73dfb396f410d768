"""A fact as JSON is the same fact."""

import json
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from domain.payment.events import PaymentCheckoutOpened, PaymentExpired
from schemas import times
from schemas.rendering import to_json
from tests.schemas.samples import MOMENT


def test_a_fact_is_rendered_whole(record: Any) -> None:
    fact = record(PaymentCheckoutOpened(payment_id="pay_1", checkout_id="cs_1", expires_at=MOMENT))

    assert to_json(fact) == {
        "id": "0195a1b2-c3d4-7e5f-8a6b-9c0d1e2f3a4b",
        "type": "payment.checkout_opened",
        "source": "payment-service",
        "timestamp": "2026-03-01T12:00:07.123456Z",
        "project_id": "prj_1",
        "data": {"payment_id": "pay_1", "checkout_id": "cs_1", "expires_at": "2026-03-01T12:00:07.123456Z"},
        "metadata": {
            "position": 7,
            "stream": "pay_1",
            "version": 3,
            "actor": "key:key_4f2a",
            "correlation_id": "req_1",
            "causation_id": "evt_1",
            "previous_hash": fact.previous_hash.hex(),
            "hash": fact.hash.hex(),
        },
    }


def test_the_data_is_the_event_after_a_trip_through_json(event: Any, record: Any) -> None:
    data = json.loads(json.dumps(to_json(record(event))))["data"]

    assert data == {name: as_json(value) for name, value in asdict(event).items()}


def test_a_fact_that_this_code_has_no_event_for_is_rendered_all_the_same(record: Any) -> None:
    fact = record(PaymentExpired(payment_id="pay_1", reason="nobody paid"))

    assert to_json(replace(fact, event=None)) == to_json(fact)


def as_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return times.to_text(value)
    return list(value) if isinstance(value, tuple) else value
