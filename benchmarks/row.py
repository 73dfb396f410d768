"""What a row of the table is: two things measured in turn, and what the ratio of their figures is to be."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, NamedTuple

from benchmarks.servers import Servers

Figures = Mapping[str, float]  # By name: "rate" in things per second, "p50" and "p99" in milliseconds.
Measure = Callable[[], Figures]


class Sides(NamedTuple):
    """What a round measures, in this order. Each call is a run of its own, on data as fresh as the first one's."""

    ceiling: Measure
    ours: Measure


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Our figure divided by the ceiling's, and what it is to be: `aim` or more (less, for times). None: nothing is aimed at."""

    figure: str
    unit: str
    aim: float | None
    better: Literal["higher", "lower"] = "higher"

    def is_met(self, ratio: float) -> bool | None:
        """Whether a ratio is as aimed at; None where there is no aim."""
        if self.aim is None:
            return None
        return ratio >= self.aim if self.better == "higher" else ratio <= self.aim


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`prepare` sets the stage on the servers, for a share of the full size (1.0), and takes it down again.

    One that `takes_long` is measured only where it is named, and has no first round that does not count: each of its runs
    lasts for minutes, which is warm enough.
    """

    name: str
    ceiling: str
    ours: str
    claims: tuple[Claim, ...]
    prepare: Callable[[Servers, float], AbstractContextManager[Sides]]
    takes_long: bool = False
