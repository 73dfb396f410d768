"""Giving money back over the real SDK: once per key, refused for what it is, and found again."""

from dataclasses import replace
from typing import Any

import pytest
import stripe

from domain.payment import RefundStatus
from gateways.errors import GatewayKeyMismatch, GatewayRefused, RefundNotPossible
from gateways.port import RefundOrder
from gateways.stripe.client import StripeGateway
from gateways.stripe.requests import API_VERSION
from tests.gateways.stripe.orders import new_key
from tests.sandbox.stripe.lookalike import LookAlike

REFUNDS = "/v1/refunds"


def order(charge: stripe.Charge, **changes: Any) -> RefundOrder:
    usual = RefundOrder(
        refund_id=f"rfd_{charge.id}",
        payment_id="pay_1",
        project_id="prj_shop",
        gateway_payment_id=str(charge.payment_intent),
        amount_minor=10_00,
        reason="duplicate",
    )
    return replace(usual, **changes)


async def test_a_refund_carries_our_id_and_says_how_it_stands(gateway: StripeGateway, lookalike: LookAlike) -> None:
    charge = await lookalike.charge()

    made = await gateway.refund(gateway.refund_request(order(charge)), new_key())

    assert (made.status, made.amount_minor, made.currency) == (RefundStatus.SUCCEEDED, 10_00, "usd")
    assert (made.refund_id, made.payment_id, made.reason) == (f"rfd_{charge.id}", "pay_1", "duplicate")
    assert (made.charge_id, made.gateway_payment_id) == (charge.id, charge.payment_intent)


def test_the_same_order_gives_the_same_bytes_with_their_version(gateway: StripeGateway) -> None:
    charge = stripe.Charge.construct_from({"id": "ch_1", "payment_intent": "pi_1"}, None)

    request = gateway.refund_request(order(charge, reason="arrived broken"))

    assert request == gateway.refund_request(order(charge, reason="arrived broken"))
    assert API_VERSION.encode() in request
    assert b"broken" not in request


async def test_one_key_makes_one_refund_and_takes_no_other_request(
    gateway: StripeGateway, lookalike: LookAlike
) -> None:
    charge, key = await lookalike.charge(), new_key()
    request = gateway.refund_request(order(charge))

    made = [await gateway.refund(request, key) for _ in range(3)]

    assert len({refund.gateway_refund_id for refund in made}) == 1
    with pytest.raises(GatewayKeyMismatch):
        await gateway.refund(gateway.refund_request(order(charge, amount_minor=5)), key)


async def test_what_the_charge_s_state_forbids_is_not_possible(gateway: StripeGateway, lookalike: LookAlike) -> None:
    charge = await lookalike.charge()
    too_much = gateway.refund_request(order(charge, amount_minor=30_00))
    with pytest.raises(RefundNotPossible, match="greater than unrefunded"):
        await gateway.refund(too_much, new_key())

    await gateway.refund(gateway.refund_request(order(charge, amount_minor=29_99)), new_key())
    with pytest.raises(RefundNotPossible) as caught:
        await gateway.refund(gateway.refund_request(order(charge)), new_key())
    assert (caught.value.type, caught.value.details["gateway_code"]) == ("conflict", "charge_already_refunded")


async def test_a_disputed_charge_is_not_refunded(gateway: StripeGateway, lookalike: LookAlike) -> None:
    charge = await lookalike.charge()
    await lookalike.control(f"charges/{charge.id}/dispute")

    with pytest.raises(RefundNotPossible) as caught:
        await gateway.refund(gateway.refund_request(order(charge)), new_key())
    assert caught.value.details["gateway_code"] == "charge_disputed"


async def test_a_payment_that_stripe_does_not_know_is_a_refusal(gateway: StripeGateway, lookalike: LookAlike) -> None:
    charge = await lookalike.charge()

    with pytest.raises(GatewayRefused) as caught:
        await gateway.refund(gateway.refund_request(order(charge, gateway_payment_id="pi_none")), new_key())
    assert not isinstance(caught.value, RefundNotPossible)


async def test_every_refund_of_a_payment_is_listed_oldest_first(
    gateway: StripeGateway, lookalike: LookAlike, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateways.stripe.client.PAGE", 2)
    charge = await lookalike.charge()
    requests = [gateway.refund_request(order(charge, amount_minor=amount)) for amount in range(1, 6)]
    made = [await gateway.refund(request, new_key()) for request in requests]

    assert list(await gateway.list_refunds(str(charge.payment_intent))) == made


async def test_a_charge_leads_to_its_payment(gateway: StripeGateway, lookalike: LookAlike) -> None:
    charge = await lookalike.charge()

    assert await gateway.payment_of_charge(charge.id) == charge.payment_intent
    assert await gateway.payment_of_charge("ch_none") is None


@pytest.mark.parametrize("kind", ["reset_before", "reset_after", "conflict", "lock_timeout"])
async def test_a_single_fault_is_passed_over_and_makes_one_refund(
    gateway: StripeGateway, lookalike: LookAlike, kind: str
) -> None:
    charge = await lookalike.charge()
    await lookalike.control("faults", kind=kind, path=REFUNDS)

    await gateway.refund(gateway.refund_request(order(charge)), new_key())

    assert len(await gateway.list_refunds(str(charge.payment_intent))) == 1
