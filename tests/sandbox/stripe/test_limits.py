"""How many calls a second are taken, and calls that break, stall or fail before and after they are carried out."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import stripe

from sandbox.stripe.errors import StripeRefusal
from sandbox.stripe.limits import Limits
from tests.sandbox.stripe.lookalike import LookAlike


class Time:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def admitted(limits: Limits, endpoint: str = "GET /v1/events") -> bool:
    try:
        limits.admit(endpoint)
    except StripeRefusal:
        return False
    return True


def test_so_many_calls_are_taken_within_any_second() -> None:
    now = Time()
    limits = Limits(now)
    limits.set(per_second=3, per_endpoint=None)

    assert [admitted(limits) for _ in range(4)] == [True, True, True, False]
    now.seconds = 0.9
    assert not admitted(limits)
    now.seconds = 1.0
    assert [admitted(limits) for _ in range(4)] == [True, True, True, False]


def test_an_endpoint_has_a_limit_of_its_own() -> None:
    limits = Limits(Time())
    limits.set(per_second=None, per_endpoint=1)

    assert [admitted(limits, "a"), admitted(limits, "a"), admitted(limits, "b")] == [True, False, True]


async def test_a_call_above_the_limit_is_answered_with_429_and_not_retried_by_the_sdk(own_lookalike: LookAlike) -> None:
    await own_lookalike.control("limits", per_second=2)
    prices = own_lookalike.client.v1.prices
    for _ in range(2):
        await prices.retrieve_async("price_ebook")

    with pytest.raises(stripe.RateLimitError) as refused:
        await prices.retrieve_async("price_ebook")
    assert refused.value.error is not None
    assert refused.value.error.code == "rate_limit"
    assert refused.value.headers is not None
    assert not {"retry-after", "stripe-should-retry"} & {name.lower() for name in refused.value.headers}

    await own_lookalike.control("limits", per_second=None)
    assert (await prices.retrieve_async("price_ebook")).id == "price_ebook"
    assert (await own_lookalike.http.post("/sandbox/limits", json={"per_second": 0})).status_code == 400


# Faults meet every call alike: before Stripe acted, or after.

Act = Callable[[LookAlike, stripe.Subscription, Any], Awaitable[Any]]


async def _cancel_later(lookalike: LookAlike, subscription: stripe.Subscription, options: Any) -> Any:
    return await lookalike.client.v1.subscriptions.update_async(
        subscription.id, {"cancel_at_period_end": True}, options=options
    )


async def _report(lookalike: LookAlike, subscription: stripe.Subscription, options: Any) -> Any:
    event: Any = {
        "event_name": "api_calls",
        "identifier": subscription.id,
        "payload": {"stripe_customer_id": str(subscription.customer), "value": "1"},
    }
    return await lookalike.client.v1.billing.meter_events.create_async(event, options=options)


async def _customer(lookalike: LookAlike, subscription: stripe.Subscription, options: Any) -> Any:
    return await lookalike.client.v1.customers.update_async(
        str(subscription.customer), {"name": "Another"}, options=options
    )


async def _portal(lookalike: LookAlike, subscription: stripe.Subscription, options: Any) -> Any:
    return await lookalike.client.v1.billing_portal.sessions.create_async(
        {"customer": str(subscription.customer)}, options=options
    )


CALLS: list[tuple[str, Act]] = [
    ("/v1/subscriptions/*", _cancel_later),
    ("/v1/billing/meter_events", _report),
    ("/v1/customers/*", _customer),
    ("/v1/billing_portal/sessions", _portal),
]


async def trace(lookalike: LookAlike, subscription: stripe.Subscription) -> int:
    """How much there is of the subscription's customer: events, and use."""
    summaries = await lookalike.client.v1.billing.meters.event_summaries.list_async(
        "mtr_calls", {"customer": str(subscription.customer), "start_time": 0, "end_time": 4_000_000_000}
    )
    types = [type for type in await lookalike.event_types(str(subscription.customer)) if type != "charge.updated"]
    return len(types) + int(summaries.data[0].aggregated_value)


@pytest.mark.parametrize(
    ("kind", "acted"),
    [
        ("reset_before", False),
        ("server_error", False),
        ("conflict", False),
        ("lock_timeout", False),
        ("rate_limit", False),
        ("reset_after", True),
        ("server_error_after", True),
    ],
)
@pytest.mark.parametrize(("path", "act"), CALLS, ids=[path for path, _ in CALLS])
async def test_a_fault_strikes_before_or_after_any_call_is_carried_out(
    lookalike: LookAlike, path: str, act: Act, kind: str, acted: bool
) -> None:
    subscription = await lookalike.subscribe()
    before = await trace(lookalike, subscription)
    await lookalike.control("faults", kind=kind, path=path, method="POST")

    with pytest.raises(stripe.StripeError):
        await act(lookalike, subscription, {"idempotency_key": f"{kind}{subscription.id}"})

    assert (await trace(lookalike, subscription) > before) == acted


@pytest.mark.parametrize(("path", "act"), CALLS, ids=[path for path, _ in CALLS])
async def test_a_retry_under_the_same_key_finds_the_first_answer(lookalike: LookAlike, path: str, act: Act) -> None:
    subscription = await lookalike.subscribe()
    options = {"idempotency_key": f"again-{path}-{subscription.id}"}
    await lookalike.control("faults", kind="reset_after", path=path, method="POST")
    with pytest.raises(stripe.APIConnectionError):
        await act(lookalike, subscription, options)
    once = await trace(lookalike, subscription)

    answer = await act(lookalike, subscription, options)

    assert answer.last_response.headers["Idempotent-Replayed"] == "true"
    assert await trace(lookalike, subscription) == once


async def test_a_lock_timeout_is_retried_by_the_sdk_itself(lookalike: LookAlike) -> None:
    subscription = await lookalike.subscribe()
    await lookalike.control("faults", kind="lock_timeout", path=f"/v1/subscriptions/{subscription.id}")

    changed = await lookalike.client.v1.subscriptions.update_async(
        subscription.id, {"cancel_at_period_end": True}, options={"max_network_retries": 1}
    )

    assert changed.cancel_at_period_end
