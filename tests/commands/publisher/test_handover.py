"""The queue between numbering and sending: never a gap, never a wait for room."""

from collections.abc import Sequence
from datetime import UTC, datetime
from threading import Timer
from time import monotonic
from uuid import uuid4

from commands.publisher.facts import Numbered
from commands.publisher.handover import Handover
from schemas.envelope import Envelope


def facts(first: int, last: int) -> Sequence[Numbered]:
    envelope = Envelope(
        event_id=uuid4(),
        type="payment.expired",
        topic="payments",
        stream="pay_1",
        version=1,
        recorded_at=datetime.now(UTC),
        project_id="prj_1",
        actor="key:key_1",
        correlation_id="req_1",
        causation_id="cmd_1",
    )
    return [Numbered(position, envelope, b"value", b"", b"", 0) for position in range(first, last + 1)]


def positions(batch: Sequence[Numbered]) -> list[int]:
    return [fact.position for fact in batch]


def test_what_is_offered_is_taken_in_order() -> None:
    handover = Handover(room=100)
    handover.offer(facts(1, 3))
    handover.offer(facts(4, 5))

    assert [positions(handover.take(after)) for after in (0, 3, 5)] == [[1, 2, 3], [4, 5], []]


def test_what_was_read_from_the_store_meanwhile_is_dropped() -> None:
    handover = Handover(room=100)
    handover.offer(facts(1, 3))
    handover.offer(facts(4, 9))

    assert positions(handover.take(after=6)) == [7, 8, 9]


def test_what_lies_beyond_a_gap_waits_until_the_gap_was_read() -> None:
    handover = Handover(room=100)
    handover.offer(facts(5, 6))

    assert positions(handover.take(after=2)) == []
    assert positions(handover.take(after=4)) == [5, 6]


def test_what_finds_no_room_is_left_to_the_store_but_known() -> None:
    handover = Handover(room=4)
    handover.offer(facts(1, 3))
    handover.offer(facts(4, 6))

    assert handover.newest == 6
    assert [positions(handover.take(after)) for after in (0, 3)] == [[1, 2, 3], []]


def test_a_new_offer_ends_the_wait() -> None:
    handover = Handover(room=4)
    Timer(0.1, handover.offer, [facts(1, 1)]).start()
    started = monotonic()

    handover.wait(after=0, timeout_seconds=10)

    assert monotonic() - started < 5
    assert handover.newest == 1
