"""Older generations of Stripe's API: the same life of a subscription, as endpoints of each of them are told it."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import stripe

from sandbox.stripe.embedded import serving
from tests.sandbox.stripe.lookalike import API_KEY, LookAlike, settings, speaking_to
from tests.sandbox.stripe.receiver import Receiver, receiving

OLD, CHARGES_APART, BASIL, NEWEST = "2020-08-27", "2022-11-15", "2025-05-28.basil", "2026-10-28.endive"
VERSIONS = (OLD, CHARGES_APART, BASIL, NEWEST)
BEFORE_BASIL = (OLD, CHARGES_APART)
# Payloads that the service's tests read: shapes that Stripe was seen to send.
SEEN = Path(__file__).parents[2] / "gateways" / "stripe" / "payloads"

# Fields of a subscription that only versions older than all of these have.
GONE_BEFORE = {"start", "tax_percent"}

Told = dict[str, list[dict[str, Any]]]  # event type → the events of it, in the order they arrived


@pytest.fixture(scope="module")
def place() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def told(place: Receiver, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Told]:
    """One life (a subscription bought, changed, renewed, failed; refunds, a dispute), as each version's endpoint heard it."""
    with serving(settings(tmp_path_factory.mktemp("stripe"), None)) as address:
        asyncio.run(tell(address, place))
    return {version: heard(place, version) for version in VERSIONS}


async def tell(address: str, place: Receiver) -> None:
    async with speaking_to(address) as lookalike:
        for version in VERSIONS:
            endpoint: Any = {"url": place.url, "enabled_events": ["*"], "api_version": version}
            await lookalike.client.v1.webhook_endpoints.create_async(endpoint)
        await live(lookalike)
        assert (await lookalike.control("deliveries/settle", within_seconds=60))["settled"]


async def live(lookalike: LookAlike) -> None:
    subscription = await lookalike.subscribe(subscription_data={"metadata": {"payment_id": "pay_1"}})
    change: Any = {"items": [{"id": subscription["items"]["data"][0]["id"], "price": "price_team_monthly"}]}
    await lookalike.client.v1.subscriptions.update_async(subscription.id, change)
    await lookalike.advance(days=32)
    charges = await lookalike.client.v1.charges.list_async({"customer": str(subscription.customer), "limit": 1})
    await lookalike.client.v1.refunds.create_async({"charge": charges.data[0].id, "amount": 500})
    failing = await lookalike.client.v1.refunds.create_async({"charge": (await lookalike.charge()).id})
    await lookalike.control(f"refunds/{failing.id}/settle", outcome="fail")
    dispute = await lookalike.control(f"charges/{(await lookalike.charge()).id}/dispute")
    evidence: Any = {"evidence": {"uncategorized_text": "It was sent."}}
    await lookalike.client.v1.disputes.update_async(dispute["id"], evidence)
    await lookalike.control(f"disputes/{dispute['id']}/settle", outcome="win")
    session = await lookalike.open()
    await lookalike.control(f"checkout/{session.id}/expire")
    await lookalike.refused_payment(await lookalike.open(), card_number="4000000000000002")
    debit = await lookalike.open()
    await lookalike.pay(debit, iban="IT60X0542811101000000123456")
    await lookalike.control(f"checkout/{debit.id}/settle", outcome="fail")
    await lookalike.use_card(str(subscription.customer), subscription.id, "pm_card_chargeCustomerFail")
    await lookalike.advance(days=31)
    await lookalike.client.v1.subscriptions.cancel_async(subscription.id)


def heard(place: Receiver, version: str) -> Told:
    events: Told = {}
    for arrival in place.arrivals:
        if arrival.event["api_version"] == version:
            events.setdefault(arrival.event["type"], []).append(arrival.event)
    return events


def objects(told: Told, type: str) -> list[dict[str, Any]]:
    return [event["data"]["object"] for event in told[type]]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_hears_the_same_events_but_those_it_does_not_know(told: dict[str, Told], version: str) -> None:
    since = {
        "invoice_payment.paid": (NEWEST,),
        "refund.created": (BASIL, NEWEST),
        "refund.failed": (BASIL, NEWEST),
        "refund.updated": (BASIL, NEWEST),
    }
    known = {type for type in told[NEWEST] if version in since.get(type, VERSIONS)}

    assert {type: len(events) for type, events in told[version].items()} == {
        type: len(events) for type, events in told[NEWEST].items() if type in known
    }
    ids = {event["id"] for events in told[version].values() for event in events}
    assert ids <= {event["id"] for events in told[NEWEST].values() for event in events}


@pytest.mark.parametrize("version", BEFORE_BASIL)
def test_before_basil_an_invoice_says_itself_what_it_bills_and_who_paid(told: dict[str, Told], version: str) -> None:
    first, renewal = objects(told[version], "invoice.paid")
    newest = objects(told[NEWEST], "invoice.paid")

    for invoice, now in zip((first, renewal), newest, strict=True):
        details = now["parent"]["subscription_details"]
        assert (invoice["subscription"], invoice["paid"]) == (details["subscription"], True)
        assert invoice["subscription_details"]["metadata"] == {"payment_id": "pay_1"}
        assert invoice["payment_intent"].startswith("pi_")
        assert invoice["charge"].startswith("ch_")
        assert not {"parent", "total_taxes"} & invoice.keys()
    lines = renewal["lines"]["data"]
    assert [(line["type"], line["proration"]) for line in lines] == [
        ("subscription", False),
        ("invoiceitem", True),
        ("invoiceitem", True),
    ]
    assert [line["price"]["id"] for line in lines] == ["price_team_monthly", "price_pro_monthly", "price_team_monthly"]
    assert lines[0]["plan"]["amount"] == 5000


@pytest.mark.parametrize("version", BEFORE_BASIL)
def test_before_basil_a_subscription_has_the_period_itself(told: dict[str, Told], version: str) -> None:
    (created,) = objects(told[version], "customer.subscription.created")
    before = [event["data"]["previous_attributes"] for event in told[version]["customer.subscription.updated"]]

    (item,) = created["items"]["data"]
    assert (created["current_period_start"], created["current_period_end"]) == (
        item["current_period_start"],
        item["current_period_end"],
    )
    renewed = next(previous for previous in before if "current_period_end" in previous)
    assert renewed["current_period_end"] == created["current_period_end"]


@pytest.mark.parametrize("version", BEFORE_BASIL)
def test_before_basil_payments_name_their_invoice(told: dict[str, Told], version: str) -> None:
    renewal = objects(told[version], "invoice.paid")[-1]

    intents = {intent["id"]: intent for intent in objects(told[version], "payment_intent.succeeded")}
    charges = {charge["id"]: charge for charge in objects(told[version], "charge.succeeded")}
    assert intents[renewal["payment_intent"]]["invoice"] == renewal["id"]
    assert charges[renewal["charge"]]["invoice"] == renewal["id"]


def test_before_2022_11_15_charges_stand_in_the_intent_and_refunds_in_the_charge(told: dict[str, Told]) -> None:
    succeeded = objects(told[OLD], "payment_intent.succeeded")[-1]
    refunded = objects(told[OLD], "charge.refunded")[0]

    (charge,) = succeeded["charges"]["data"]
    assert charge["id"] == succeeded["latest_charge"]
    assert [refund["amount"] for refund in refunded["refunds"]["data"]] == [500]
    for version in (CHARGES_APART, BASIL, NEWEST):
        assert "charges" not in objects(told[version], "payment_intent.succeeded")[-1]
        assert "refunds" not in objects(told[version], "charge.refunded")[0]


@pytest.mark.parametrize("version", [BASIL, NEWEST])
def test_since_basil_what_moved_is_only_where_it_moved_to(told: dict[str, Told], version: str) -> None:
    invoice = objects(told[version], "invoice.paid")[-1]
    (subscription,) = objects(told[version], "customer.subscription.created")

    assert not {"subscription", "charge", "payment_intent", "paid", "discount", "tax"} & invoice.keys()
    assert not {"price", "type", "proration", "subscription_item"} & invoice["lines"]["data"][0].keys()
    assert not {"current_period_start", "current_period_end", "discount"} & subscription.keys()
    assert "invoice" not in objects(told[version], "charge.succeeded")[-1]


def test_a_checkout_session_calls_things_by_the_names_of_its_time(told: dict[str, Told]) -> None:
    shown = {version: objects(told[version], "checkout.session.completed")[0] for version in VERSIONS}

    assert [shown[version]["ui_mode"] for version in VERSIONS] == ["hosted", "hosted", "hosted", "hosted_page"]
    assert "shipping" in shown[OLD]
    assert "shipping_details" in shown[CHARGES_APART]
    assert "collected_information" in shown[BASIL]


@pytest.mark.parametrize("version", [OLD, BASIL, NEWEST])
def test_what_was_seen_of_a_version_is_sent_in_that_version(told: dict[str, Told], version: str) -> None:
    lived = {
        path.stem: json.loads(path.read_text())
        for path in (SEEN / version).glob("*.json")
        if path.stem in told[version]
    }

    missing = {
        (type, name)
        for type, seen in lived.items()
        for name in seen["data"]["object"].keys() - GONE_BEFORE
        if all(name not in one for one in objects(told[version], type))
    }
    assert missing == set()
    assert len(lived) >= 12


def test_the_sdk_reads_every_generation(told: dict[str, Told]) -> None:
    for version in VERSIONS:
        for events in told[version].values():
            for event in events:
                parsed = stripe.Event.construct_from(event, API_KEY).data.object
                assert parsed.to_dict().keys() == event["data"]["object"].keys()


async def test_a_caller_is_answered_in_the_version_it_names(lookalike: LookAlike) -> None:
    subscription = await lookalike.subscribe()
    path = f"/v1/subscriptions/{subscription.id}"

    for version, above in ((CHARGES_APART, True), (NEWEST, False)):
        answer = await lookalike.http.get(path, auth=(API_KEY, ""), headers={"Stripe-Version": version})
        assert ("current_period_end" in answer.json()) == above


async def test_the_event_list_speaks_the_accounts_own_version(tmp_path: Path, place: Receiver) -> None:
    with serving(settings(tmp_path, place.url, api_version=OLD)) as address:
        async with speaking_to(address) as lookalike:
            await lookalike.subscribe()
            answer = await lookalike.http.get("/v1/events", params={"type": "invoice.paid"}, auth=(API_KEY, ""))
            every = await lookalike.client.v1.events.list_async({"limit": 100})
            assert (await lookalike.control("deliveries/settle"))["settled"]

    (event,) = answer.json()["data"]
    assert event["api_version"] == OLD
    assert event["data"]["object"]["paid"] is True
    sent = next(arrival.event for arrival in place.arrivals if arrival.event["id"] == event["id"])
    assert sent["data"] == event["data"]
    assert "invoice_payment.paid" not in [one.type for one in every.data]
