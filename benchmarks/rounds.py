"""Runs side by side: ceiling, ours, ceiling, ours …, so that whatever else the machine does falls upon both."""

import gc
import statistics
from collections.abc import Callable, Sequence
from typing import NamedTuple

from benchmarks.row import Claim, Figures, Row, Sides

CLAIMABLE_ROUNDS = 5


class Round(NamedTuple):
    """One run of each side, one right after the other."""

    ceiling: Figures
    ours: Figures

    def ratio(self, figure: str) -> float:
        return self.ours[figure] / self.ceiling[figure]


class Spread(NamedTuple):
    """What several rounds came to."""

    median: float
    low: float
    high: float


class Result(NamedTuple):
    """One claim of a row over all rounds. The ratio is the median of the rounds' ratios, not the ratio of the medians."""

    row: Row
    claim: Claim
    ceiling: Spread
    ours: Spread
    ratio: Spread
    ratios: Sequence[float]


def run(sides: Sides, rounds: int, told: Callable[[], object], *, warm_up: bool = True) -> Sequence[Round]:
    """Measure both sides in turn. `told` after each round.

    With `warm_up`, a first round more fills caches, warms Java up and does not count.
    """
    done = []
    for number in range(rounds + warm_up):
        pair = Round(_undisturbed(sides.ceiling), _undisturbed(sides.ours))
        if number >= warm_up:
            done.append(pair)
        told()
    return done


def results(row: Row, rounds: Sequence[Round]) -> Sequence[Result]:
    """Every claim of a row, from its rounds."""
    return [_result(row, claim, rounds) for claim in row.claims]


def spread(values: Sequence[float]) -> Spread:
    """Median, lowest and highest of one value or more."""
    return Spread(statistics.median(values), min(values), max(values))


def _undisturbed(measure: Callable[[], Figures]) -> Figures:
    """Measure without the garbage of whoever came before, and without the collector's walks over what was prepared."""
    gc.collect()
    gc.freeze()
    try:
        return measure()
    finally:
        gc.unfreeze()


def _result(row: Row, claim: Claim, rounds: Sequence[Round]) -> Result:
    ratios = [pair.ratio(claim.figure) for pair in rounds]
    return Result(
        row=row,
        claim=claim,
        ceiling=spread([pair.ceiling[claim.figure] for pair in rounds]),
        ours=spread([pair.ours[claim.figure] for pair in rounds]),
        ratio=spread(ratios),
        ratios=ratios,
    )
