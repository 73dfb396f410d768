"""The billing portal through its links and forms, as a browser without JavaScript uses it."""

import re
from typing import Any

import httpx
import pytest
import stripe

from sandbox.stripe import portal_page
from tests.sandbox.stripe.lookalike import LookAlike

DAY = 86400
RETURN_URL = "https://shop.example/account"
GOOD = {"card_number": "5555 5555 5555 4444", "expiry": "12 / 34", "cvc": "123", "name": "A Reader"}


async def opened(lookalike: LookAlike, customer: Any, **more: Any) -> stripe.billing_portal.Session:
    asked: Any = {"customer": str(customer), "return_url": RETURN_URL, **more}
    return await lookalike.client.v1.billing_portal.sessions.create_async(asked)


async def page(lookalike: LookAlike, portal: stripe.billing_portal.Session, path: str = "") -> httpx.Response:
    return await lookalike.http.get(f"/p/session/{portal.id}{path}")


async def send(
    lookalike: LookAlike, portal: stripe.billing_portal.Session, path: str, form: dict[str, str] | None = None
) -> httpx.Response:
    return await lookalike.http.post(f"/p/session/{portal.id}{path}", data=form or {})


async def past_due(lookalike: LookAlike) -> stripe.Subscription:
    """A subscription whose renewal failed."""
    subscription = await lookalike.subscribe()
    await lookalike.use_card(str(subscription.customer), subscription.id, "pm_card_chargeCustomerFail")
    await lookalike.advance(days=32)
    failed = await lookalike.subscription(subscription.id)
    assert failed.status == "past_due"
    return failed


async def test_a_sessions_url_is_a_page_of_subscriptions_card_and_invoices(lookalike: LookAlike) -> None:
    subscription = await lookalike.subscribe(card_number="5555555555554444")
    portal = await opened(lookalike, subscription.customer)

    answer = await page(lookalike, portal)

    assert portal.url == f"{lookalike.address}/p/session/{portal.id}"
    assert answer.status_code == 200
    for text in (
        "Pro, monthly",
        "$20.00 per month",
        "Renews on",
        "Mastercard ending in 4444",
        "Paid",
        f'href="{RETURN_URL}"',
        "Back to shop.example",
    ):
        assert text in answer.text
    assert await lookalike.event_types(portal.id) == ["billing_portal.session.created"]


async def test_canceling_ends_at_the_period_and_can_be_taken_back(lookalike: LookAlike) -> None:
    subscription = await lookalike.subscribe()
    portal = await opened(lookalike, subscription.customer)
    cancel = f"/subscriptions/{subscription.id}/cancel"

    asked = await page(lookalike, portal, cancel)
    done = await send(lookalike, portal, cancel, {"feedback": "too_expensive"})
    told = await lookalike.http.get(done.headers["Location"])
    canceled = await lookalike.subscription(subscription.id)

    assert "Cancel Pro, monthly?" in asked.text
    assert "will not be renewed" in told.text
    assert canceled.cancel_at_period_end
    assert canceled.cancellation_details is not None
    assert canceled.cancellation_details.feedback == "too_expensive"
    event = (await lookalike.events(subscription.id))[-1]
    assert (event.type, event.request and event.request.id) == ("customer.subscription.updated", None)

    kept = await send(lookalike, portal, f"/subscriptions/{subscription.id}/keep")
    assert "goes on" in (await lookalike.http.get(kept.headers["Location"])).text
    assert not (await lookalike.subscription(subscription.id)).cancel_at_period_end


async def test_a_new_card_pays_for_everything(lookalike: LookAlike) -> None:
    subscription = await lookalike.subscribe()
    portal = await opened(lookalike, subscription.customer)

    done = await send(lookalike, portal, "/card", GOOD)

    assert "Your new card is saved." in (await lookalike.http.get(done.headers["Location"])).text
    assert "Mastercard ending in 4444, valid to 12/34" in (await page(lookalike, portal)).text
    changed = await lookalike.subscription(subscription.id, "default_payment_method", "customer")
    assert isinstance(changed.default_payment_method, stripe.PaymentMethod)
    assert changed.default_payment_method.card is not None
    assert changed.default_payment_method.card.last4 == "4444"
    assert isinstance(changed.customer, stripe.Customer)
    assert changed.customer.invoice_settings is not None
    assert changed.customer.invoice_settings.default_payment_method == changed.default_payment_method.id
    types = [type for type in await lookalike.event_types(str(subscription.customer)) if type != "charge.updated"]
    assert types[-3:] == ["payment_method.attached", "customer.updated", "customer.subscription.updated"]


@pytest.mark.parametrize(
    ("changes", "status", "text"),
    [
        ({"card_number": ""}, 402, "card number"),
        ({"card_number": "4242424242424241"}, 402, "card number is incorrect"),
        ({"expiry": "12 / 20"}, 402, "expiration year"),
        ({"cvc": "1"}, 402, "security code"),
        ({"card_number": "4000000000000002"}, 402, "Your card was declined."),
    ],
)
async def test_a_card_that_cannot_be_kept_says_why(
    lookalike: LookAlike, changes: dict[str, str], status: int, text: str
) -> None:
    subscription = await lookalike.subscribe()
    portal = await opened(lookalike, subscription.customer)

    answer = await send(lookalike, portal, "/card", GOOD | changes)

    assert answer.status_code == status
    assert text in answer.text
    assert (await lookalike.subscription(subscription.id)).default_payment_method == subscription.default_payment_method


async def test_a_failed_payment_can_be_made_good_with_another_card(own_lookalike: LookAlike) -> None:
    subscription = await past_due(own_lookalike)
    portal = await opened(own_lookalike, subscription.customer)
    shown = (await page(own_lookalike, portal)).text
    assert "Payment failed" in shown
    (pay,) = re.findall(r'action="(/p/session/[^"]+/pay)"', shown)

    declined = await own_lookalike.http.post(pay)
    await send(own_lookalike, portal, "/card", GOOD)
    paid = await own_lookalike.http.post(pay)

    assert (declined.status_code, 'role="alert"' in declined.text) == (402, True)
    assert "Your payment went through." in (await own_lookalike.http.get(paid.headers["Location"])).text
    assert (await own_lookalike.subscription(subscription.id)).status == "active"
    again = await own_lookalike.http.post(pay)
    assert again.headers["Location"] == f"/p/session/{portal.id}?home=1"


async def test_a_paused_subscription_is_resumed_once_there_is_a_card(own_lookalike: LookAlike) -> None:
    session = await own_lookalike.open(
        "price_trial_monthly",
        mode="subscription",
        payment_method_collection="if_required",
        subscription_data={"trial_settings": {"end_behavior": {"missing_payment_method": "pause"}}},
    )
    await own_lookalike.pay(session)
    started = (await own_lookalike.session(session.id, "subscription")).subscription
    assert isinstance(started, stripe.Subscription)
    await own_lookalike.advance(days=15)
    portal = await opened(own_lookalike, started.customer)

    refused = await send(own_lookalike, portal, f"/subscriptions/{started.id}/resume")
    await send(own_lookalike, portal, "/card", GOOD)
    await send(own_lookalike, portal, f"/subscriptions/{started.id}/resume")

    assert refused.status_code == 402
    assert (await own_lookalike.subscription(started.id)).status == "active"


async def test_a_flow_leads_to_one_thing_and_back_to_the_shop(lookalike: LookAlike) -> None:
    subscription = await lookalike.subscribe()
    after = {"type": "redirect", "redirect": {"return_url": "https://shop.example/goodbye"}}
    flow: Any = {
        "type": "subscription_cancel",
        "subscription_cancel": {"subscription": subscription.id},
        "after_completion": after,
    }

    portal = await opened(lookalike, subscription.customer, flow_data=flow)
    first = await page(lookalike, portal)
    done = await lookalike.http.post(first.headers["Location"])

    assert first.headers["Location"] == f"/p/session/{portal.id}/subscriptions/{subscription.id}/cancel"
    assert done.headers["Location"] == "https://shop.example/goodbye"
    card: Any = {"type": "payment_method_update"}
    other = await opened(lookalike, subscription.customer, flow_data=card)
    assert (await page(lookalike, other)).headers["Location"] == f"/p/session/{other.id}/card"


async def test_a_customer_sees_and_touches_only_what_is_theirs(lookalike: LookAlike) -> None:
    theirs, others = await lookalike.subscribe(), await lookalike.subscribe("price_team_monthly")
    portal = await opened(lookalike, theirs.customer)

    assert "Team, monthly" not in (await page(lookalike, portal)).text
    for path in (f"/subscriptions/{others.id}/cancel", f"/invoices/{others.latest_invoice}/pay"):
        await send(lookalike, portal, path)
    assert not (await lookalike.subscription(others.id)).cancel_at_period_end


async def test_a_portal_closes_after_an_hour_without_use(lookalike: LookAlike, monkeypatch: pytest.MonkeyPatch) -> None:
    subscription = await lookalike.subscribe()
    portal = await opened(lookalike, subscription.customer)
    assert (await page(lookalike, portal)).status_code == 200

    monkeypatch.setattr(portal_page, "OPEN_SECONDS", -1.0)

    for address in (f"/p/session/{portal.id}", "/p/session/bps_none", f"/p/session/{subscription.id}"):
        closed = await lookalike.http.get(address)
        assert (closed.status_code, "This page is closed" in closed.text) == (404, True)


async def test_every_field_has_a_label_and_every_asset_is_served_from_here(lookalike: LookAlike) -> None:
    subscription = await lookalike.subscribe()
    portal = await opened(lookalike, subscription.customer)

    shown = (await page(lookalike, portal, "/card")).text

    assert set(re.findall(r'<input id="(\w+)"', shown)) == set(re.findall(r'<label for="(\w+)"', shown))
    for asset in re.findall(r'(?:href|src)="(/c/assets/[^"]+)"', shown):
        assert (await lookalike.http.get(asset)).status_code == 200


@pytest.mark.parametrize(
    ("asked", "code", "param"),
    [
        ({"customer": "cus_none"}, "resource_missing", "customer"),
        ({"return_url": "/account"}, "url_invalid", "return_url"),
        ({"configuration": "bpc_none"}, "resource_missing", "configuration"),
        ({"flow_data": {"type": "holiday"}}, None, "flow_data[type]"),
        ({"flow_data": {"type": "subscription_cancel"}}, "parameter_missing", "flow_data[subscription_cancel]"),
    ],
)
async def test_a_portal_that_cannot_be_opened_is_refused(
    lookalike: LookAlike, asked: Any, code: str | None, param: str
) -> None:
    customer = await lookalike.client.v1.customers.create_async({"email": "reader@example.com"})

    with pytest.raises(stripe.InvalidRequestError) as refused:
        await opened(lookalike, **{"customer": customer.id, **asked})

    assert (refused.value.code, refused.value.param) == (code, param)


# The hosted page of one invoice.


async def owed(lookalike: LookAlike) -> stripe.Invoice:
    subscription = await past_due(lookalike)
    invoice = (await lookalike.client.v1.invoices.list_async({"subscription": subscription.id, "limit": 1})).data[0]
    assert invoice.hosted_invoice_url == f"{lookalike.address}/i/{invoice.id}"
    return invoice


async def test_an_open_invoice_can_be_paid_on_its_page(own_lookalike: LookAlike) -> None:
    invoice = await owed(own_lookalike)

    shown = await own_lookalike.http.get(f"/i/{invoice.id}")
    declined = await own_lookalike.http.post(f"/i/{invoice.id}", data={"with": "card_on_file"})
    paid = await own_lookalike.http.post(f"/i/{invoice.id}", data=GOOD)
    after = await own_lookalike.http.get(paid.headers["Location"])

    for text in ("$20.00", str(invoice.number), "Please pay this invoice.", "Visa ending in 0341"):
        assert text in shown.text
    assert (declined.status_code, "Your card was declined." in declined.text) == (402, True)
    assert "This invoice is paid." in after.text
    assert "card_number" not in after.text
    assert (await own_lookalike.client.v1.invoices.retrieve_async(invoice.id)).status == "paid"
    again = await own_lookalike.http.post(f"/i/{invoice.id}", data=GOOD)
    assert again.status_code == 303


async def test_a_card_that_is_mistyped_there_says_so_and_charges_nothing(own_lookalike: LookAlike) -> None:
    invoice = await owed(own_lookalike)

    answer = await own_lookalike.http.post(f"/i/{invoice.id}", data=GOOD | {"card_number": "4242424242424241"})

    assert (answer.status_code, 'id="card_number-error"' in answer.text) == (402, True)
    assert (await own_lookalike.client.v1.invoices.retrieve_async(invoice.id)).status == "open"


async def test_what_is_no_invoice_has_a_page_that_says_so(lookalike: LookAlike) -> None:
    for id in ("in_none", (await lookalike.open()).id):
        answer = await lookalike.http.get(f"/i/{id}")
        assert (answer.status_code, "There is no such invoice" in answer.text) == (404, True)
