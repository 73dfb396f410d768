"""What was measured: a table on the screen, every round as JSON, and a plot of the ratios."""

import json
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from rich.table import Table

from benchmarks import plot
from benchmarks.rounds import CLAIMABLE_ROUNDS, Result, Spread


class Circumstances(NamedTuple):
    """Where and when. The load is that of all processes of the machine, waiting or running, over the last minute."""

    began_at: datetime
    cores: int
    python: str
    load_before: float

    @classmethod
    def now(cls) -> "Circumstances":
        return cls(datetime.now(UTC), os.cpu_count() or 1, platform.python_version(), os.getloadavg()[0])


def line(result: Result) -> str:
    """One result as it comes, so that a run that breaks off has told what it found."""
    ours, ceiling, unit = _number(result.ours.median), _number(result.ceiling.median), result.claim.unit
    measured = f"{ours} / {ceiling} {unit} = {_number(result.ratio.median)} ({_range(result.ratio)})"
    return f"{result.row.name} {result.claim.figure}: {measured}, aim {_aim(result)}"


def table(results: Sequence[Result], rounds: int) -> Table:
    """Two lines for each claim: ours, the ratio and the aim; the ceiling, the ratio's range, and whether the aim is met."""
    shown = Table("row", "what", "median", "ratio", "aim", title=_title(rounds))
    for result in results:
        row, unit, met = result.row, result.claim.unit, result.claim.is_met(result.ratio.median)
        shown.add_row(
            row.name, row.ours, f"[bold]{_number(result.ours.median)}[/bold] {unit}", _ratio(result), _aim(result)
        )
        shown.add_row(
            f"  {_figure(result)}",
            f"[dim]/ {row.ceiling}[/dim]",
            f"[dim]{_number(result.ceiling.median)} {unit}[/dim]",
            f"[dim]{_range(result.ratio)}[/dim]",
            "" if met is None else "[green]met[/green]" if met else "[red]missed[/red]",
            end_section=True,
        )
    return shown


def write(results: Sequence[Result], where: Circumstances, rounds: int, share: float, folder: Path) -> Sequence[Path]:
    """Keep the results: `<time>.json`, `<time>.svg`. Returns both."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / f"{where.began_at:%Y%m%dT%H%M%SZ}"
    content = {
        **where._asdict(),
        "rounds": rounds,
        "share_of_full_size": share,
        "results": [_as_json(result) for result in results],
    }
    data, picture = stem.with_suffix(".json"), stem.with_suffix(".svg")
    data.write_text(json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n")
    picture.write_text(plot.svg([_dots(result) for result in results]))
    return data, picture


def _title(rounds: int) -> str:
    counted = f"median of {rounds} rounds (lowest … highest)"
    return counted if rounds >= CLAIMABLE_ROUNDS else f"{counted}; fewer than {CLAIMABLE_ROUNDS} prove nothing"


def _as_json(result: Result) -> dict[str, Any]:
    claim = result.claim
    return {
        "row": result.row.name,
        "figure": claim.figure,
        "unit": claim.unit,
        "ceiling": {"what": result.row.ceiling, **result.ceiling._asdict()},
        "ours": {"what": result.row.ours, **result.ours._asdict()},
        "ratio": {**result.ratio._asdict(), "rounds": result.ratios},
        "aim": claim.aim,
        "better": claim.better,
        "met": claim.is_met(result.ratio.median),
    }


def _dots(result: Result) -> plot.Line:
    return plot.Line(
        f"{result.row.name} {_figure(result)}".strip(), result.ratios, result.ratio.median, result.claim.aim
    )


def _figure(result: Result) -> str:
    return result.claim.figure if len(result.row.claims) > 1 else ""


def _aim(result: Result) -> str:
    claim = result.claim
    return "none" if claim.aim is None else f"{'≥' if claim.better == 'higher' else '≤'} {claim.aim:g}"


def _ratio(result: Result) -> str:
    return f"[bold]{_number(result.ratio.median)}[/bold]"


def _range(ratio: Spread) -> str:
    return f"{_number(ratio.low)} … {_number(ratio.high)}"


def _number(value: float) -> str:
    """Three digits that count."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
