"""Webhooks of three API generations, of shapes nobody knows, and of no shape at all."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from domain.payment import DisputeStatus, RefundStatus
from gateways.errors import SignatureInvalid, WebhookUnreadable
from gateways.notices import (
    AttemptDeclined,
    ChargeRefunded,
    CheckoutExpired,
    CheckoutFailed,
    CheckoutPaid,
    CheckoutProcessing,
    Delivery,
    DisputeUpdated,
    Irrelevant,
    Notice,
    RefundUpdated,
    Unreadable,
)
from gateways.stripe import webhooks
from gateways.stripe.client import StripeGateway
from tests.gateways.stripe.orders import new_key, opened, order
from tests.sandbox.stripe.lookalike import LookAlike, eventually
from tests.sandbox.stripe.receiver import Receiver

PAYLOADS = Path(__file__).parent / "payloads"
VERSIONS = ("2020-08-27", "2025-05-28.basil", "2026-10-28.endive")
PAYMENT = "pay_0f1e2d3c4b5a69788796a5b4c3d2e1f0"
CHECKOUT = "cs_test_a1B2c3"

PAID = CheckoutPaid(
    checkout_id=CHECKOUT,
    payment_id=PAYMENT,
    amount_minor=2999,
    currency="usd",
    gateway_payment_id="pi_3Abc",
    gateway_subscription_id=None,
)
REFUNDED = RefundUpdated(
    gateway_refund_id="re_3Abc",
    gateway_payment_id="pi_3Abc",
    charge_id="ch_3Abc",
    payment_id=PAYMENT,
    refund_id="rfd_5d4c3b2a19087f6e5d4c3b2a19087f6e",
    status=RefundStatus.SUCCEEDED,
    amount_minor=1000,
    currency="usd",
    reason="requested_by_customer",
    failure_code=None,
)
REFUND_FAILED = replace(REFUNDED, status=RefundStatus.FAILED, failure_code="lost_or_stolen_card")
DISPUTED = DisputeUpdated(
    dispute_id="dp_3Abc",
    gateway_payment_id="pi_3Abc",
    charge_id="ch_3Abc",
    payment_id=None,
    status=DisputeStatus.NEEDS_RESPONSE,
    amount_minor=2999,
    currency="usd",
    reason="fraudulent",
    refundable=False,
    opened_at=datetime.fromtimestamp(1789999499, UTC),
    evidence_due_by=datetime.fromtimestamp(1790604800, UTC),
)
MEANINGS: dict[str, Notice] = {
    "checkout.session.completed": PAID,
    "checkout.session.expired": CheckoutExpired(checkout_id=CHECKOUT, payment_id=PAYMENT),
    "checkout.session.async_payment_failed": CheckoutFailed(
        checkout_id=CHECKOUT,
        payment_id=PAYMENT,
        code="async_payment_failed",
        reason="the customer's bank sent no money",
        gateway_payment_id="pi_3Abc",
    ),
    "payment_intent.payment_failed": AttemptDeclined(
        payment_id=PAYMENT, attempt_id="ch_3Abc", code="card_declined", decline_code="insufficient_funds"
    ),
    "charge.dispute.created": DISPUTED,
    "charge.dispute.funds_withdrawn": DISPUTED,
    "charge.dispute.updated": replace(DISPUTED, status=DisputeStatus.UNDER_REVIEW),
    "charge.dispute.closed": replace(DISPUTED, status=DisputeStatus.WON),
    "charge.dispute.funds_reinstated": replace(DISPUTED, status=DisputeStatus.WON),
    "charge.refund.updated": REFUND_FAILED,
    "charge.refunded": ChargeRefunded(
        charge_id="ch_3Abc", gateway_payment_id="pi_3Abc", payment_id=PAYMENT, refunded_minor=1000
    ),
}
# Types that the oldest generation does not know.
LATER_MEANINGS: dict[str, Notice] = {
    "refund.created": REFUNDED,
    "refund.updated": REFUNDED,
    "refund.failed": REFUND_FAILED,
}
EVERY_MEANING = [(event_type, version, MEANINGS[event_type]) for event_type in MEANINGS for version in VERSIONS]
EVERY_MEANING += [(type, version, LATER_MEANINGS[type]) for type in LATER_MEANINGS for version in VERSIONS[1:]]

Change = Callable[[dict[str, Any]], Any]


def payload(event_type: str, version: str = VERSIONS[-1]) -> bytes:
    return (PAYLOADS / version / f"{event_type}.json").read_bytes()


def changed(event_type: str, version: str = VERSIONS[-1], **fields: Any) -> bytes:
    """A payload whose object has these fields instead."""
    event = json.loads(payload(event_type, version))
    event["data"]["object"].update(fields)
    return json.dumps(event).encode()


def without(event_type: str, field: str) -> bytes:
    event = json.loads(payload(event_type))
    del event["data"]["object"][field]
    return json.dumps(event).encode()


# Three generations.


@pytest.mark.parametrize(("event_type", "version", "meaning"), EVERY_MEANING)
def test_every_api_generation_means_the_same(event_type: str, version: str, meaning: Notice) -> None:
    body = payload(event_type, version)

    delivery = webhooks.read(body)

    assert delivery.notice == meaning
    named = (None, "pi_3Abc") if "dispute" in event_type else (PAYMENT, delivery.gateway_payment_id)
    assert (delivery.payment_id, delivery.gateway_payment_id) == named
    assert (delivery.event_type, delivery.api_version, delivery.body) == (event_type, version, body)


@pytest.mark.parametrize(("event_type", "version", "meaning"), EVERY_MEANING)
def test_an_event_that_went_through_the_sdks_objects_means_the_same(
    event_type: str, version: str, meaning: Notice
) -> None:
    event = stripe.Event.construct_from(json.loads(payload(event_type, version)), None)

    assert webhooks.read(json.dumps(event.to_dict(for_json=True)).encode()).notice == meaning


@pytest.mark.parametrize("version", VERSIONS)
def test_objects_that_were_expanded_mean_the_same_as_their_ids(version: str) -> None:
    body = changed("checkout.session.completed", version, payment_intent={"id": "pi_3Abc", "object": "payment_intent"})

    assert webhooks.read(body).notice == PAID


def test_a_delivery_is_named_by_account_mode_and_event() -> None:
    event = json.loads(payload("checkout.session.expired"))

    own = webhooks.read(json.dumps(event).encode())
    connected = webhooks.read(json.dumps({**event, "account": "acct_1", "livemode": True}).encode())

    assert (own.account, own.livemode, own.event_id) == ("", False, "evt_1expired")
    assert (connected.account, connected.livemode, connected.event_id) == ("acct_1", True, "evt_1expired")
    assert own.created_at == datetime.fromtimestamp(1790000000, UTC)


# States of a checkout.


@pytest.mark.parametrize(
    ("event_type", "fields", "meaning"),
    [
        ("checkout.session.completed", {"payment_status": "unpaid"}, CheckoutProcessing),
        ("checkout.session.completed", {"payment_status": "no_payment_required", "amount_total": 0}, CheckoutPaid),
        ("checkout.session.async_payment_succeeded", {}, CheckoutPaid),
        ("checkout.session.completed", {"mode": "setup", "payment_status": "no_payment_required"}, Irrelevant),
        ("charge.succeeded", {}, Irrelevant),
    ],
)
def test_what_a_session_says_of_its_payment_decides_its_meaning(
    event_type: str, fields: dict[str, Any], meaning: type[Notice]
) -> None:
    event = json.loads(changed("checkout.session.completed", **fields))

    notice = webhooks.read(json.dumps({**event, "type": event_type}).encode()).notice

    assert type(notice) is meaning


def test_a_subscriptions_checkout_names_the_subscription_and_no_payment_of_the_gateway() -> None:
    body = changed("checkout.session.completed", mode="subscription", payment_intent=None, subscription="sub_1Abc")

    paid = webhooks.read(body).notice

    assert isinstance(paid, CheckoutPaid)
    assert (paid.gateway_payment_id, paid.gateway_subscription_id) == (None, "sub_1Abc")


def test_the_payment_is_found_in_the_metadata_where_the_reference_is_missing() -> None:
    assert webhooks.read(changed("checkout.session.completed", client_reference_id=None)).notice == PAID


@pytest.mark.parametrize(
    ("event_type", "meaning"),
    [
        ("checkout.session.completed", replace(PAID, payment_id=None)),
        ("payment_intent.payment_failed", Irrelevant()),
    ],
)
def test_what_another_service_on_the_same_account_did_names_no_payment_of_ours(
    event_type: str, meaning: Notice
) -> None:
    delivery = webhooks.read(changed(event_type, client_reference_id="order-17", metadata={"payment_id": "17"}))

    assert delivery.payment_id is None
    assert delivery.notice == meaning


def test_a_decline_without_a_charge_is_told_apart_by_what_was_tried() -> None:
    def declined_with(method: str) -> Notice:
        error = {
            "type": "invalid_request_error",
            "code": "payment_intent_authentication_failure",
            "payment_method": {"id": method},
        }
        return webhooks.read(changed("payment_intent.payment_failed", last_payment_error=error)).notice

    assert declined_with("pm_1") == declined_with("pm_1") != declined_with("pm_2")


# Money that goes back.


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        ("pending", RefundStatus.PENDING),
        ("requires_action", RefundStatus.PENDING),
        ("succeeded", RefundStatus.SUCCEEDED),
        ("failed", RefundStatus.FAILED),
        ("canceled", RefundStatus.CANCELED),
    ],
)
def test_a_refund_s_status_decides_its_meaning(status: str, meaning: RefundStatus) -> None:
    assert webhooks.read(changed("refund.updated", status=status)).notice == replace(REFUNDED, status=meaning)


def test_a_refund_made_in_the_dashboard_names_the_payment_of_the_gateway_only() -> None:
    delivery = webhooks.read(changed("refund.created", metadata={}, reason=None))

    assert delivery.notice == replace(REFUNDED, payment_id=None, refund_id=None, reason=None)
    assert (delivery.payment_id, delivery.gateway_payment_id) == (None, "pi_3Abc")


def test_whose_key_seals_the_body_can_be_told_from_what_is_not_acted_upon() -> None:
    expanded = {"id": "pi_3Abc", "object": "payment_intent"}

    assert webhooks.read(payload("payment_intent.payment_failed")).gateway_payment_id == "pi_3Abc"
    assert webhooks.read(changed("charge.refunded", payment_intent=expanded)).gateway_payment_id == "pi_3Abc"
    assert webhooks.read(changed("charge.refunded", payment_intent=17)).gateway_payment_id is None


@pytest.mark.parametrize("status", DisputeStatus)
def test_every_status_of_a_dispute_is_known(status: DisputeStatus) -> None:
    notice = webhooks.read(changed("charge.dispute.updated", status=status.value)).notice

    assert notice == replace(DISPUTED, status=status)


@pytest.mark.parametrize("details", [{"due_by": None}, {"due_by": 0}, {}, None])
def test_a_dispute_that_wants_no_evidence_has_no_deadline(details: Any) -> None:
    notice = webhooks.read(changed("charge.dispute.updated", evidence_details=details)).notice

    assert notice == replace(DISPUTED, status=DisputeStatus.UNDER_REVIEW, evidence_due_by=None)


# Shapes that nobody knows.


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (without("checkout.session.completed", "payment_status"), "payment_status"),
        (changed("checkout.session.completed", payment_status="half_paid"), "payment_status"),
        (without("checkout.session.completed", "amount_total"), "amount_total"),
        (changed("checkout.session.completed", amount_total=None), "amount_total"),
        (changed("checkout.session.completed", amount_total="2999"), "amount_total"),
        (changed("checkout.session.completed", amount_total=29.99), "amount_total"),
        (changed("checkout.session.completed", amount_total=True), "amount_total"),
        (changed("checkout.session.completed", amount_total=-1), "amount_total"),
        (changed("checkout.session.completed", currency=""), "currency"),
        (changed("checkout.session.completed", payment_intent=["pi_3Abc"]), "payment_intent"),
        (without("checkout.session.expired", "id"), "id"),
        (changed("refund.updated", status="on_hold"), "status"),
        (changed("refund.created", amount=None), "amount"),
        (without("refund.created", "currency"), "currency"),
        (without("charge.refunded", "amount_refunded"), "amount_refunded"),
        (changed("charge.dispute.closed", status="forgotten"), "status"),
        (changed("charge.dispute.closed", is_charge_refundable=None), "is_charge_refundable"),
        (without("charge.dispute.created", "reason"), "reason"),
        (without("payment_intent.payment_failed", "last_payment_error"), "last_payment_error"),
        (changed("payment_intent.payment_failed", last_payment_error={}), "type"),
    ],
)
def test_an_unknown_shape_of_a_known_type_is_kept_and_says_which_field_it_was(body: bytes, field: str) -> None:
    delivery = webhooks.read(body)

    assert isinstance(delivery.notice, Unreadable)
    assert f"`{field}`" in delivery.notice.reason
    assert "example.com" not in delivery.notice.reason
    assert delivery.body == body


def test_money_that_is_said_to_have_come_and_not_to_have_come_is_not_guessed_at() -> None:
    event = json.loads(changed("checkout.session.completed", payment_status="unpaid"))

    notice = webhooks.read(json.dumps({**event, "type": "checkout.session.async_payment_succeeded"}).encode()).notice

    assert isinstance(notice, Unreadable)


# No event at all.


def _as_event(change: Change) -> bytes:
    event = json.loads(payload("checkout.session.completed"))
    change(event)
    return json.dumps(event).encode()


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe{}", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "no event"),
        (b"17", "no event"),
        (b'{"object": "charge"}', "no event"),
        (b'{"object": "v2.core.event", "type": "v1.billing.meter.error_report_triggered"}', "thin event"),
        (_as_event(lambda event: event.pop("id")), "`id`"),
        (_as_event(lambda event: event.pop("type")), "`type`"),
        (_as_event(lambda event: event.pop("data")), "`data.object`"),
        (_as_event(lambda event: event.update(data={"object": "cs_test_1"})), "`data.object`"),
        (_as_event(lambda event: event.update(created="now")), "`created`"),
        (_as_event(lambda event: event.update(created=10**30)), "no event that Stripe"),
    ],
)
def test_what_is_no_event_is_refused_with_a_sentence(body: bytes, says: str) -> None:
    with pytest.raises(WebhookUnreadable, match=says):
        webhooks.read(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
FIELDS = sorted(
    {*json.loads(payload("checkout.session.completed"))["data"]["object"], "charge", "amount", "amount_refunded"}
)
EVERY_TYPE = sorted({*MEANINGS, *LATER_MEANINGS})


@given(event_type=st.sampled_from(EVERY_TYPE), field=st.sampled_from(FIELDS), value=JSON)
def test_whatever_a_field_holds_the_event_is_kept(event_type: str, field: str, value: Any) -> None:
    assert isinstance(webhooks.read(changed(event_type, **{field: value})), Delivery)


# Through the gateway.


async def test_a_webhook_that_stripe_signed_is_read_and_one_that_was_changed_is_not(
    gateway: StripeGateway, lookalike: LookAlike, receiver: Receiver
) -> None:
    placed = order()
    checkout = await opened(gateway, placed)
    await gateway.expire_checkout(checkout.checkout_id, new_key())
    await eventually(lambda: receiver.about(checkout.checkout_id))
    (arrival,) = [arrival for arrival in receiver.arrivals if checkout.checkout_id in arrival.body.decode()]

    delivery = gateway.read_webhook(arrival.body, arrival.signature)

    assert delivery.notice == CheckoutExpired(checkout_id=checkout.checkout_id, payment_id=placed.payment_id)
    assert gateway.reread(delivery.body) == delivery
    with pytest.raises(SignatureInvalid):
        gateway.read_webhook(arrival.body.replace(b"expired", b"paid"), arrival.signature)
    with pytest.raises(SignatureInvalid):
        gateway.read_webhook(arrival.body, "")


async def test_missed_deliveries_come_oldest_first_however_many_pages_there_are(
    gateway: StripeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateways.stripe.client.PAGE", 3)
    closed = []
    for _ in range(8):
        checkout = await opened(gateway, order())
        await gateway.expire_checkout(checkout.checkout_id, new_key())
        closed.append(checkout.checkout_id)

    missed = [delivery async for delivery in gateway.missed(datetime.now(UTC) - timedelta(hours=1))]

    told = [delivery.notice.checkout_id for delivery in missed if isinstance(delivery.notice, CheckoutExpired)]
    assert told[-8:] == closed
    assert len({delivery.event_id for delivery in missed}) == len(missed)


async def test_a_missed_delivery_is_the_one_that_the_webhook_would_have_been(
    gateway: StripeGateway, lookalike: LookAlike, receiver: Receiver
) -> None:
    checkout = await opened(gateway, order())
    await lookalike.pay(await lookalike.session(checkout.checkout_id), card_number="4242424242424242")
    await eventually(lambda: "checkout.session.completed" in receiver.about(checkout.checkout_id))
    (arrival,) = [arrival for arrival in receiver.arrivals if checkout.checkout_id in arrival.body.decode()]
    delivered = gateway.read_webhook(arrival.body, arrival.signature)

    missed = [delivery async for delivery in gateway.missed(datetime.now(UTC) - timedelta(hours=1))]

    (same,) = [delivery for delivery in missed if delivery.event_id == delivered.event_id]
    assert same.notice == delivered.notice
    assert (same.account, same.livemode, same.payment_id) == (
        delivered.account,
        delivered.livemode,
        delivered.payment_id,
    )


async def test_nothing_was_missed_where_nothing_happened_since(gateway: StripeGateway) -> None:
    assert [delivery async for delivery in gateway.missed(datetime.now(UTC) + timedelta(hours=1))] == []
