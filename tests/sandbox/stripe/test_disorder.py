"""Webhooks in any order: named first, strewn, doubled by a seed, lost in part; and how to wait for the last of them."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.sandbox.stripe.lookalike import LookAlike, eventually
from tests.sandbox.stripe.receiver import Receiver

CARD = "4242424242424242"


@pytest.fixture(autouse=True)
def fresh(receiver: Receiver) -> Iterator[None]:
    receiver.arrivals.clear()
    yield
    receiver.answers.clear()


async def held_flow(lookalike: LookAlike) -> list[tuple[str, str]]:
    """The (id, type) of all events of one payment, made and held."""
    await lookalike.control("deliveries/hold")
    outcome = await lookalike.pay(await lookalike.open(), card_number=CARD)
    await lookalike.event_types_once(outcome["payment_intent"], 5)
    return [(event.id, event.type) for event in await lookalike.events(outcome["payment_intent"])]


def arrived(receiver: Receiver) -> list[str]:
    return [arrival.event["id"] for arrival in receiver.arrivals]


async def test_named_events_go_first_in_the_order_given(own_lookalike: LookAlike, receiver: Receiver) -> None:
    made = [id for id, _ in await held_flow(own_lookalike)]

    await own_lookalike.control("deliveries/release", events=[made[3], made[0]])

    assert arrived(receiver) == [made[3], made[0], made[1], made[2], made[4]]


async def test_what_is_not_named_can_stay_held(own_lookalike: LookAlike, receiver: Receiver) -> None:
    made = [id for id, _ in await held_flow(own_lookalike)]

    await own_lookalike.control("deliveries/release", events=[made[4]], rest="hold")
    assert arrived(receiver) == [made[4]]
    await own_lookalike.control("deliveries/release")

    assert arrived(receiver) == [made[4], *made[:4]]


async def test_what_is_not_named_can_be_dropped(own_lookalike: LookAlike, receiver: Receiver) -> None:
    made = [id for id, _ in await held_flow(own_lookalike)]

    await own_lookalike.control("deliveries/release", events=[made[1]], rest="drop")

    assert (await own_lookalike.control("deliveries/settle"))["settled"]
    assert arrived(receiver) == [made[1]]


async def test_a_seed_draws_how_often_each_is_sent(own_lookalike: LookAlike, receiver: Receiver) -> None:
    drawn = []
    for _ in range(2):
        receiver.arrivals.clear()
        made = [id for id, _ in await held_flow(own_lookalike)]
        await own_lookalike.control("deliveries/release", most_copies=3, at_once=5, seed=11)
        copies = Counter(arrived(receiver))
        drawn.append([copies[id] for id in made])

    assert drawn[0] == drawn[1]
    assert set(drawn[0]) <= {1, 2, 3}
    assert len(set(drawn[0])) > 1


async def test_a_fraction_of_what_waits_is_dropped_by_a_seed(own_lookalike: LookAlike, receiver: Receiver) -> None:
    lost = []
    for _ in range(2):
        made = await held_flow(own_lookalike)
        dropped = await own_lookalike.control("deliveries/drop", fraction=0.5, seed=1)
        lost.append([number for number, (id, _) in enumerate(made) if id in dropped["dropped"]])
        await own_lookalike.control("deliveries/release")

    assert lost[0] == lost[1]
    assert 0 < len(lost[0]) < 5


async def test_a_share_is_lost_until_told_otherwise_and_shows_as_undelivered(
    own_lookalike: LookAlike, receiver: Receiver
) -> None:
    await own_lookalike.control("deliveries/losses", fraction=0.3, seed=5)
    for _ in range(8):
        await own_lookalike.pay(await own_lookalike.open("price_free"))
    assert (await own_lookalike.control("deliveries/settle"))["settled"]
    through = set(arrived(receiver))

    undelivered = await own_lookalike.client.v1.events.list_async({"delivery_success": False})
    everything = await own_lookalike.client.v1.events.list_async({"limit": 100})

    lost = {event.id for event in undelivered.data}
    assert lost
    assert through
    assert lost | through == {event.id for event in everything.data}
    assert lost.isdisjoint(through)
    await own_lookalike.control("deliveries/losses", fraction=0)
    await own_lookalike.pay(await own_lookalike.open("price_free"))
    await eventually(lambda: len(arrived(receiver)) == len(through) + 1)


async def test_losses_can_be_of_some_types_only(own_lookalike: LookAlike, receiver: Receiver) -> None:
    await own_lookalike.control("deliveries/losses", fraction=1, types=["charge.succeeded"])
    outcome = await own_lookalike.pay(await own_lookalike.open(), card_number=CARD)
    await own_lookalike.event_types_once(outcome["payment_intent"], 5)
    await own_lookalike.control("deliveries/settle")

    assert sorted(receiver.about(outcome["payment_intent"])) == [
        "charge.updated",
        "checkout.session.completed",
        "payment_intent.created",
        "payment_intent.succeeded",
    ]


async def test_settling_gives_up_in_time(own_lookalike: LookAlike, receiver: Receiver) -> None:
    receiver.answers = [500] * 20
    await own_lookalike.pay(await own_lookalike.open("price_free"))

    assert (await own_lookalike.control("deliveries/settle", within_seconds=0)) == {"settled": False}
    assert (await own_lookalike.control("deliveries/settle", within_seconds=10)) == {"settled": True}


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("release", {"order": "alphabetical"}),
        ("release", {"rest": "keep"}),
        ("release", {"copies": 0}),
        ("release", {"events": ["evt_none"]}),
        ("release", {"colour": "red"}),
        ("losses", {"fraction": 2}),
        ("losses", {"colour": "red"}),
        ("drop", {"fraction": "half"}),
    ],
)
async def test_a_disorder_that_makes_no_sense_is_refused(lookalike: LookAlike, path: str, told: dict[str, Any]) -> None:
    answer = await lookalike.http.post(f"/sandbox/deliveries/{path}", json=told)

    assert answer.status_code == 400


async def test_nobody_waits_for_what_is_held(own_lookalike: LookAlike) -> None:
    await own_lookalike.control("deliveries/hold")

    answer = await own_lookalike.http.post("/sandbox/deliveries/settle", json={})

    assert (answer.status_code, "held" in answer.text) == (400, True)
