"""The queue between numbering and sending: never a gap, never a wait for room."""

from collections.abc import Sequence
from threading import Timer
from time import monotonic

from commands.publisher.handover import Handover
from eventlog.numbered import Numbered
from schemas.envelope import Written


def facts(first: int, last: int) -> Sequence[Numbered]:
    written = Written(*(b"" for _ in Written._fields))
    return [Numbered(position, written, b"value", b"", b"", 0) for position in range(first, last + 1)]


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


def test_an_offer_waits_a_little_for_room() -> None:
    handover = Handover(room=3)
    handover.offer(facts(1, 3))
    Timer(0.1, handover.take, [0]).start()
    started = monotonic()

    handover.offer(facts(4, 6), patience_seconds=10)

    assert monotonic() - started < 5
    assert positions(handover.take(after=3)) == [4, 5, 6]
