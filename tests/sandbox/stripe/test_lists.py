"""Lists: newest first, paged both ways, filtered by what the service asks for."""

import time

import pytest
import stripe

from tests.sandbox.stripe.lookalike import LookAlike

CARD = "4242424242424242"


@pytest.fixture
async def five(lookalike: LookAlike) -> list[str]:
    """The ids of five sessions, newest first."""
    return [(await lookalike.open()).id for _ in range(5)][::-1]


async def test_a_list_is_newest_first_and_says_whether_there_is_more(lookalike: LookAlike, five: list[str]) -> None:
    page = await lookalike.client.v1.checkout.sessions.list_async({"limit": 3})

    assert [session.id for session in page.data] == five[:3]
    assert page.has_more
    assert page.url == "/v1/checkout/sessions"


async def test_a_page_starts_after_an_id_or_ends_before_one(lookalike: LookAlike, five: list[str]) -> None:
    sessions = lookalike.client.v1.checkout.sessions

    after = await sessions.list_async({"limit": 2, "starting_after": five[0]})
    before = await sessions.list_async({"limit": 2, "ending_before": five[4]})
    newest = await sessions.list_async({"ending_before": five[1]})

    assert [session.id for session in after.data] == five[1:3]
    assert [session.id for session in before.data] == five[2:4]
    assert before.has_more
    assert [session.id for session in newest.data] == five[:1]
    assert not newest.has_more


async def test_the_sdk_walks_all_pages(lookalike: LookAlike, five: list[str]) -> None:
    page = await lookalike.client.v1.checkout.sessions.list_async({"limit": 2})

    walked = []
    async for session in page.auto_paging_iter():
        walked.append(session.id)
        if len(walked) == 5:
            break

    assert walked == five


async def test_a_page_cannot_start_at_what_is_not_there(lookalike: LookAlike) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await lookalike.client.v1.checkout.sessions.list_async({"starting_after": "cs_test_none"})

    assert (refused.value.code, refused.value.param) == ("resource_missing", "starting_after")


async def test_sessions_are_found_by_time_and_by_their_payment(lookalike: LookAlike) -> None:
    session = await lookalike.open()
    outcome = await lookalike.pay(session, card_number=CARD)
    sessions = lookalike.client.v1.checkout.sessions

    by_payment = await sessions.list_async({"payment_intent": outcome["payment_intent"]})
    recent = await sessions.list_async({"created": {"gte": session.created, "lte": session.created + 1}})
    later = await sessions.list_async({"created": {"gt": int(time.time()) + 60}})

    assert [found.id for found in by_payment.data] == [session.id]
    assert session.id in [found.id for found in recent.data]
    assert later.data == []


async def test_line_items_are_listed_in_the_order_of_the_order(lookalike: LookAlike) -> None:
    items = [{"price": price, "quantity": 2} for price in ("price_ebook", "price_credits_1000", "price_free")]
    session = await lookalike.open(line_items=items)
    listing = lookalike.client.v1.checkout.sessions.line_items

    all_items = await listing.list_async(session.id)
    rest = await listing.list_async(session.id, {"starting_after": all_items.data[0].id, "limit": 1})

    assert [(item.description, item.quantity, item.amount_total) for item in all_items.data] == [
        ("The E-Book", 2, 5998),
        ("1,000 credits", 2, 2000),
        ("The free sample", 2, 0),
    ]
    assert [item.id for item in rest.data] == [all_items.data[1].id]
    assert rest.has_more


async def test_events_are_filtered_by_type_and_time(lookalike: LookAlike) -> None:
    session = await lookalike.open()
    await lookalike.pay(session, card_number=CARD)
    events = lookalike.client.v1.events

    both = await events.list_async({"types": ["charge.succeeded", "checkout.session.completed"], "limit": 2})
    one = await events.list_async({"type": "checkout.session.completed", "limit": 1})
    future = await events.list_async({"created": {"gte": int(time.time()) + 60}})

    assert [event.type for event in both.data] == ["checkout.session.completed", "charge.succeeded"]
    assert one.data[0].data.object["id"] == session.id
    assert future.data == []


async def test_events_older_than_thirty_days_are_not_listed(lookalike: LookAlike) -> None:
    await lookalike.pay(await lookalike.open(), card_number=CARD)
    try:
        await lookalike.control("clock/advance", seconds=30 * 24 * 3600 + 60)
        listed = await lookalike.client.v1.events.list_async({"type": "charge.succeeded"})
    finally:
        await lookalike.control("clock", offset_seconds=0)

    assert listed.data == []


async def test_events_are_listed_by_a_type_with_a_star(lookalike: LookAlike) -> None:
    await lookalike.subscribe()

    found = await lookalike.client.v1.events.list_async({"type": "invoice.*", "limit": 100})
    both = await lookalike.client.v1.events.list_async({"types": ["invoice.paid", "invoice.created"], "limit": 100})

    assert {event.type.partition(".")[0] for event in found.data} == {"invoice"}
    assert len({event.type for event in found.data}) > 2
    assert {event.type for event in both.data} == {"invoice.paid", "invoice.created"}
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await lookalike.client.v1.events.list_async({"type": "invoice.*", "types": ["invoice.paid"]})
    assert refused.value.code == "parameters_exclusive"


async def test_events_are_read_on_from_one_to_newer_ones(lookalike: LookAlike) -> None:
    await lookalike.subscribe()
    seen = (await lookalike.client.v1.events.list_async({"limit": 1})).data[0]
    subscription = await lookalike.subscribe()

    newer = await lookalike.client.v1.events.list_async({"ending_before": seen.id, "limit": 100})

    assert seen.id not in [event.id for event in newer.data]
    assert subscription.id in str(newer.data)
