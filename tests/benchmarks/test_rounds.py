"""Rounds: who is measured when, and what is made of the figures."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from benchmarks import report, rounds
from benchmarks.__main__ import ROWS
from benchmarks.row import Claim, Figures, Row, Sides
from benchmarks.servers import Servers


@contextmanager
def _nothing(_servers: Servers, _share: float) -> Iterator[Sides]:
    yield Sides(dict, dict)


def row(*claims: Claim) -> Row:
    return Row(name="row", ceiling="the ceiling", ours="ours", claims=claims, prepare=_nothing)


def sides(ceiling: list[float], ours: list[float]) -> tuple[Sides, list[str]]:
    """Sides whose runs give these rates one after the other, and the order in which they were asked."""
    asked: list[str] = []

    def measure(who: str, rates: Iterator[float]) -> Callable[[], Figures]:
        def run() -> Figures:
            asked.append(who)
            return {"rate": next(rates)}

        return run

    return Sides(measure("ceiling", iter(ceiling)), measure("ours", iter(ours))), asked


def test_both_sides_take_turns_and_a_first_round_does_not_count() -> None:
    measured, asked = sides([1.0, 10.0, 20.0], [99.0, 5.0, 12.0])

    done = rounds.run(measured, 2, lambda: None)

    assert asked == ["ceiling", "ours"] * 3
    assert [(pair.ceiling["rate"], pair.ours["rate"]) for pair in done] == [(10.0, 5.0), (20.0, 12.0)]


def test_rounds_that_take_long_all_count() -> None:
    measured, asked = sides([1.0, 10.0], [99.0, 5.0])

    done = rounds.run(measured, 2, lambda: None, warm_up=False)

    assert asked == ["ceiling", "ours"] * 2
    assert [(pair.ceiling["rate"], pair.ours["rate"]) for pair in done] == [(1.0, 99.0), (10.0, 5.0)]


def test_progress_is_told_after_every_round_the_first_included() -> None:
    measured, _ = sides([1.0] * 4, [1.0] * 4)
    told: list[None] = []

    rounds.run(measured, 3, lambda: told.append(None))

    assert len(told) == 4


def test_a_ratio_is_the_median_of_the_rounds_ratios() -> None:
    pairs = [
        rounds.Round({"rate": ceiling}, {"rate": ours}) for ceiling, ours in ((10.0, 5.0), (100.0, 40.0), (1.0, 0.9))
    ]

    (result,) = rounds.results(row(Claim(figure="rate", unit="facts/s", aim=0.45)), pairs)

    assert result.ratio == rounds.Spread(0.5, 0.4, 0.9)
    assert result.ceiling == rounds.Spread(10.0, 1.0, 100.0)


@pytest.mark.parametrize(
    ("claim", "ratio", "met"),
    [
        (Claim(figure="rate", unit="", aim=0.45), 0.45, True),
        (Claim(figure="rate", unit="", aim=0.45), 0.44, False),
        (Claim(figure="p99", unit="ms", aim=2.0, better="lower"), 2.0, True),
        (Claim(figure="p99", unit="ms", aim=2.0, better="lower"), 2.1, False),
        (Claim(figure="rate", unit="", aim=None), 0.1, None),
    ],
)
def test_an_aim_is_met_from_its_better_side(claim: Claim, ratio: float, met: bool | None) -> None:
    assert claim.is_met(ratio) is met


def test_fewer_than_five_rounds_are_not_passed_off_as_a_claim() -> None:
    assert "prove nothing" in str(report.table([], 4).title)
    assert "prove nothing" not in str(report.table([], 5).title)


def test_every_row_can_be_named() -> None:
    assert len({each.name for each in ROWS}) == len(ROWS)
