"""Ordered faults: what the caller sees, and what has really happened."""

import asyncio
import time
from typing import Any

import pytest
import stripe

from tests.sandbox.stripe.lookalike import API_KEY, LookAlike

SESSIONS = "/v1/checkout/sessions"


@pytest.mark.parametrize(("kind", "sessions"), [("reset_before", 0), ("reset_after", 1)])
async def test_a_broken_connection_hides_whether_anything_was_done(
    lookalike: LookAlike, kind: str, sessions: int
) -> None:
    before = await lookalike.sessions_opened()
    await lookalike.control("faults", kind=kind, path=SESSIONS)

    with pytest.raises(stripe.APIConnectionError):
        await lookalike.open()

    assert await lookalike.sessions_opened() == before + sessions


async def test_the_same_key_after_a_break_finds_the_session_that_was_made(lookalike: LookAlike) -> None:
    before = await lookalike.sessions_opened()
    await lookalike.control("faults", kind="reset_after", path=SESSIONS)
    order: Any = {
        "mode": "payment",
        "success_url": "https://shop.example/",
        "line_items": [{"price": "price_ebook", "quantity": 1}],
    }
    options: Any = {"idempotency_key": "break-1", "max_network_retries": 1}

    session = await lookalike.client.v1.checkout.sessions.create_async(order, options)

    assert session.status == "open"
    assert await lookalike.sessions_opened() == before + 1


@pytest.mark.parametrize("kind", ["hang_before", "hang_after"])
async def test_a_hang_outlasts_an_impatient_caller_and_the_session_is_made_all_the_same(
    lookalike: LookAlike, kind: str
) -> None:
    before = await lookalike.sessions_opened()
    await lookalike.control("faults", kind=kind, path=SESSIONS, seconds=0.3)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(lookalike.open(), 0.1)
    await asyncio.sleep(0.4)

    assert await lookalike.sessions_opened() == before + 1


async def test_a_fault_lasts_for_as_many_calls_as_were_ordered(lookalike: LookAlike) -> None:
    await lookalike.control("faults", kind="rate_limit", path=SESSIONS, times=2)

    for _ in range(2):
        with pytest.raises(stripe.RateLimitError):
            await lookalike.open()
    assert (await lookalike.open()).status == "open"


async def test_a_fault_meets_only_its_path_and_method(lookalike: LookAlike) -> None:
    session = await lookalike.open()
    await lookalike.control("faults", kind="server_error", path="/v1/checkout/sessions/*/expire", method="POST")

    assert (await lookalike.session(session.id)).status == "open"
    with pytest.raises(stripe.APIError):
        await lookalike.client.v1.checkout.sessions.expire_async(session.id)
    assert (await lookalike.session(session.id)).status == "open"


async def test_a_fault_begins_after_the_calls_that_it_spares(lookalike: LookAlike) -> None:
    await lookalike.control("faults", kind="server_error", path=SESSIONS, spared=1)

    assert (await lookalike.open()).status == "open"
    with pytest.raises(stripe.APIError):
        await lookalike.open()
    assert (await lookalike.open()).status == "open"


async def test_faults_can_be_read_and_taken_back(lookalike: LookAlike) -> None:
    ordered = await lookalike.control("faults", kind="conflict", path=SESSIONS, times=9)
    await lookalike.http.delete("/sandbox/faults")

    assert ordered["faults"] == [
        {"kind": "conflict", "path": SESSIONS, "method": None, "times": 9, "seconds": 5.0, "spared": 0},
    ]
    assert (await lookalike.open()).status == "open"


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("faults", {"kind": "earthquake"}),
        ("faults", {"kind": "conflict", "colour": "red"}),
        ("clock/advance", {"seconds": "soon"}),
        ("deliveries/release", {"order": "alphabetical"}),
        ("checkout/{id}/authenticate", {"outcome": "perhaps"}),
        ("checkout/{id}/settle", {}),
        ("checkout/{id}/pay", {}),
    ],
)
async def test_a_control_call_that_makes_no_sense_is_refused(
    lookalike: LookAlike, path: str, told: dict[str, Any]
) -> None:
    session = await lookalike.open()

    answer = await lookalike.http.post(f"/sandbox/{path.format(id=session.id)}", json=told)

    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


async def test_control_calls_are_explained_where_they_are(lookalike: LookAlike) -> None:
    explained = (await lookalike.http.get("/sandbox")).text

    assert (await lookalike.http.get("/sandbox/health")).json() == {"status": "ok"}
    for address in ("/sandbox/faults", "/sandbox/deliveries/hold", "/sandbox/checkout/{id}/pay", "/sandbox/clock"):
        assert f"`POST {address}`" in explained


async def test_the_clock_moves_the_look_alike_and_not_the_signatures(lookalike: LookAlike) -> None:
    try:
        clock = await lookalike.control("clock/advance", seconds=3600)
        session = await lookalike.open()
    finally:
        await lookalike.control("clock", offset_seconds=0)

    assert clock["offset_seconds"] == pytest.approx(3600, abs=1)
    assert 3500 < session.created - time.time() < 3700
    assert API_KEY not in str(clock)
