"""Webhooks: signed, retried with a new signature, held, repeated, shuffled and lost, kept over a restart."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
import stripe

from sandbox.stripe.embedded import serving
from tests.sandbox.stripe.lookalike import WAIT_SECONDS, WEBHOOK_SECRET, LookAlike, eventually, settings, speaking_to
from tests.sandbox.stripe.receiver import Arrival, Receiver

CARD = "4242424242424242"
COMPLETED: Literal["checkout.session.completed"] = "checkout.session.completed"


@pytest.fixture(autouse=True)
def fresh(receiver: Receiver) -> Iterator[None]:
    yield
    receiver.answers.clear()


def completed(receiver: Receiver, session: stripe.checkout.Session) -> list[Arrival]:
    return [arrival for arrival in receiver.of(COMPLETED) if arrival.event["data"]["object"]["id"] == session.id]


async def settled_state(lookalike: LookAlike, event: str) -> dict[str, Any]:
    """The delivery of an event, once it waits no more."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            listed = (await lookalike.http.get("/sandbox/deliveries", params={"event": event})).json()
            (delivery,) = listed["deliveries"]
            if delivery["state"] != "waiting":
                return dict(delivery)
            await asyncio.sleep(0.01)


def signed_at(arrival: Arrival) -> int:
    return int(dict(part.split("=") for part in arrival.signature.split(","))["t"])


async def test_a_delivery_is_verified_and_read_by_the_sdk(lookalike: LookAlike, receiver: Receiver) -> None:
    session = await lookalike.open(client_reference_id="pay_1")
    await lookalike.pay(session, card_number=CARD)
    await eventually(lambda: completed(receiver, session))
    (arrival,) = completed(receiver, session)

    event = stripe.Webhook.construct_event(arrival.body, arrival.signature, WEBHOOK_SECRET)

    assert (event.type, event.api_version) == (COMPLETED, "2026-10-28.endive")
    assert isinstance(event.data.object, stripe.checkout.Session)
    assert event.data.object.client_reference_id == "pay_1"
    assert abs(signed_at(arrival) - time.time()) < 60


async def test_a_changed_body_or_another_secret_does_not_verify(lookalike: LookAlike, receiver: Receiver) -> None:
    session = await lookalike.open()
    await lookalike.pay(session, card_number=CARD)
    await eventually(lambda: completed(receiver, session))
    (arrival,) = completed(receiver, session)

    for body, secret in ((arrival.body + b" ", WEBHOOK_SECRET), (arrival.body, "whsec_other")):
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(body, arrival.signature, secret)


async def test_the_signature_carries_a_v0_that_proves_nothing(lookalike: LookAlike, receiver: Receiver) -> None:
    session = await lookalike.open()
    await lookalike.pay(session, card_number=CARD)
    await eventually(lambda: completed(receiver, session))

    assert [part[:3] for part in completed(receiver, session)[0].signature.split(",")][1:] == ["v1=", "v0="]


async def test_every_event_of_a_flow_arrives(lookalike: LookAlike, receiver: Receiver) -> None:
    outcome = await lookalike.pay(await lookalike.open(), card_number=CARD)

    await eventually(lambda: "charge.updated" in receiver.about(outcome["payment_intent"]))

    assert sorted(receiver.about(outcome["payment_intent"])) == sorted(
        await lookalike.event_types(outcome["payment_intent"])
    )


async def test_a_failed_delivery_comes_again_with_the_same_body_and_a_new_signature(
    lookalike: LookAlike, receiver: Receiver
) -> None:
    session = await lookalike.open("price_free")
    receiver.answers = [500, 302]
    await lookalike.pay(session)

    await eventually(lambda: len(completed(receiver, session)) == 3)

    first, second, third = completed(receiver, session)
    assert first.body == second.body == third.body
    assert len({arrival.signature for arrival in (first, second, third)}) == 3
    for arrival in (first, second, third):
        stripe.Webhook.construct_event(arrival.body, arrival.signature, WEBHOOK_SECRET)


async def test_a_delivery_is_given_up_after_three_retries_and_stays_pending(
    lookalike: LookAlike, receiver: Receiver
) -> None:
    session = await lookalike.open("price_free")
    receiver.answers = [500] * 4
    await lookalike.pay(session)
    (event,) = await lookalike.events(session.id)

    await eventually(lambda: len(completed(receiver, session)) == 4)
    delivery = await settled_state(lookalike, event.id)
    assert (delivery["state"], delivery["attempts"], delivery["outcome"]) == ("failed", 4, "500")
    undelivered = await lookalike.client.v1.events.list_async({"delivery_success": False})
    assert [(one.id, one.pending_webhooks) for one in undelivered.data] == [(event.id, 1)]


async def test_any_2xx_counts_and_is_counted_down(lookalike: LookAlike, receiver: Receiver) -> None:
    session = await lookalike.open("price_free")
    receiver.answers = [204]
    await lookalike.pay(session)
    (event,) = await lookalike.events(session.id)

    delivery = await settled_state(lookalike, event.id)

    assert (delivery["state"], delivery["outcome"]) == ("delivered", "204")
    assert (await lookalike.client.v1.events.retrieve_async(event.id)).pending_webhooks == 0
    assert len(completed(receiver, session)) == 1
    assert completed(receiver, session)[0].event["pending_webhooks"] == 1


async def test_held_deliveries_are_released_in_the_order_that_is_asked_for(
    lookalike: LookAlike, receiver: Receiver
) -> None:
    await lookalike.control("deliveries/hold")
    outcome = await lookalike.pay(await lookalike.open(), card_number=CARD)
    made = await lookalike.event_types_once(outcome["payment_intent"], 5)
    assert receiver.about(outcome["payment_intent"]) == []

    released = await lookalike.control("deliveries/release", order="reversed", copies=2)

    assert [sent["type"] for sent in released["sent"]] == made[::-1]
    assert {result for sent in released["sent"] for result in sent["outcomes"]} == {"200"}
    assert receiver.about(outcome["payment_intent"]) == [type for type in made[::-1] for _ in range(2)]


async def test_a_shuffle_is_the_same_for_the_same_seed(lookalike: LookAlike) -> None:
    orders = []
    for _ in range(2):
        await lookalike.control("deliveries/hold")
        outcome = await lookalike.pay(await lookalike.open(), card_number=CARD)
        await lookalike.event_types_once(outcome["payment_intent"], 5)
        released = await lookalike.control("deliveries/release", order="shuffled", seed=7)
        orders.append([sent["type"] for sent in released["sent"]])

    assert orders[0] == orders[1]
    assert orders[0][0] != "payment_intent.created"


async def test_dropped_deliveries_never_arrive(lookalike: LookAlike, receiver: Receiver) -> None:
    await lookalike.control("deliveries/hold")
    session = await lookalike.open()
    await lookalike.pay(session, card_number=CARD)

    dropped = await lookalike.control("deliveries/drop", types=[COMPLETED])
    released = await lookalike.control("deliveries/release")

    assert len(dropped["dropped"]) == 1
    assert COMPLETED not in [sent["type"] for sent in released["sent"]]
    assert completed(receiver, session) == []


async def test_an_event_can_be_delivered_many_times_at_once(lookalike: LookAlike, receiver: Receiver) -> None:
    session = await lookalike.open("price_free")
    await lookalike.pay(session)
    await eventually(lambda: completed(receiver, session))
    (event,) = await lookalike.events(session.id)

    again = await lookalike.control(f"events/{event.id}/deliver", copies=3)

    assert again["outcomes"] == ["200"] * 3
    assert {arrival.event["id"] for arrival in completed(receiver, session)} == {event.id}
    assert len(completed(receiver, session)) == 4


async def test_an_endpoint_gets_the_types_and_the_version_it_asked_for(
    lookalike: LookAlike, receiver: Receiver
) -> None:
    endpoint = await lookalike.client.v1.webhook_endpoints.create_async(
        {"url": receiver.url, "enabled_events": [COMPLETED], "api_version": "2025-05-28.basil"}
    )
    assert endpoint.secret is not None
    outcome = await lookalike.pay(session := await lookalike.open(), card_number=CARD)

    await eventually(lambda: len(completed(receiver, session)) == 2)
    gone = await lookalike.client.v1.webhook_endpoints.delete_async(endpoint.id)

    versions = {arrival.event["api_version"]: arrival for arrival in completed(receiver, session)}
    old = versions["2025-05-28.basil"]
    assert stripe.Webhook.construct_event(old.body, old.signature, endpoint.secret).id == old.event["id"]
    assert receiver.about(outcome["payment_intent"]).count("charge.succeeded") == 1
    assert gone.deleted
    listed = await lookalike.client.v1.webhook_endpoints.list_async()
    assert [one.id for one in listed.data] == ["we_sandbox"]
    assert "secret" not in listed.data[0].to_dict()


async def test_what_was_not_delivered_before_a_restart_is_delivered_after_it(
    tmp_path: Path, receiver: Receiver
) -> None:
    with serving(settings(tmp_path, "http://127.0.0.1:9/nobody")) as address:
        async with speaking_to(address) as lookalike:
            await lookalike.control("deliveries/hold")
            paid, still_open = await lookalike.open("price_free"), await lookalike.open()
            await lookalike.pay(paid)

    with serving(settings(tmp_path, receiver.url)) as address:
        async with speaking_to(address) as lookalike:
            await lookalike.control("deliveries/release")
            again = await lookalike.session(still_open.id)

    assert len(completed(receiver, paid)) == 1
    assert again.url == f"{address}/c/pay/{still_open.id}"


async def test_a_debit_that_was_begun_before_a_restart_settles_after_it(tmp_path: Path, receiver: Receiver) -> None:
    with serving(settings(tmp_path, receiver.url)) as address:
        async with speaking_to(address) as lookalike:
            session = await lookalike.open()
            await lookalike.pay(session, iban="AT611904300234573201", settle_after_seconds=0.5)

    with serving(settings(tmp_path, receiver.url)) as address:
        async with speaking_to(address) as lookalike:
            await lookalike.event_types_once(session.id, 2)
            settled = await lookalike.session(session.id)

    assert completed(receiver, session)[0].event["data"]["object"]["payment_status"] == "unpaid"
    assert settled.payment_status == "paid"
