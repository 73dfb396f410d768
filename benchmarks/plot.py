"""Ratios as a picture: a line for each claim, a dot for each round, a bar at the median, a diamond at the aim (SVG)."""

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

_LABELS, _WIDTH, _RIGHT = 150, 560, 60
_ROW, _TOP, _BOTTOM = 34, 40, 40
_STYLE = "text{font:13px sans-serif;fill:#222}.dim{fill:#888}.grid{stroke:#ddd}.dot{fill:#2563eb;fill-opacity:.45}"


class Line(NamedTuple):
    """One claim: the ratio of every round, their median, and what it is to be, if anything. All are above 0."""

    label: str
    ratios: Sequence[float]
    median: float
    aim: float | None


def svg(lines: Sequence[Line]) -> str:
    """The picture, as the text of an SVG file that needs nothing else. The scale is logarithmic."""
    scale = _Scale([value for line in lines for value in (*line.ratios, line.median, line.aim or 1.0)])
    height = _TOP + _ROW * len(lines) + _BOTTOM
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LABELS + _WIDTH + _RIGHT}" height="{height}">',
            f"<style>{_STYLE}</style>",
            '<rect width="100%" height="100%" fill="white"/>',
            _text(8, 22, "ours / ceiling: a dot is a round, the bar their median, the diamond the aim"),
            *_grid(scale, height),
            *(mark for number, line in enumerate(lines) for mark in _marks(scale, line, _TOP + _ROW * (number + 0.5))),
            "</svg>\n",
        ]
    )


class _Scale:
    """From ratios to places on the horizontal axis, over whole powers of ten."""

    def __init__(self, values: Sequence[float]) -> None:
        self._low = math.floor(math.log10(min(values)))
        self._high = max(math.ceil(math.log10(max(values))), self._low + 1)

    def ticks(self) -> Iterable[float]:
        return (10.0**power for power in range(self._low, self._high + 1))

    def place(self, value: float) -> float:
        return _LABELS + _WIDTH * (math.log10(value) - self._low) / (self._high - self._low)


def _grid(scale: _Scale, height: float) -> Iterable[str]:
    for tick in scale.ticks():
        x = scale.place(tick)
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{height - _BOTTOM}"/>'
        yield _text(x, height - _BOTTOM + 20, f"{tick:g}", 'class="dim" text-anchor="middle"')


def _marks(scale: _Scale, line: Line, y: float) -> Iterable[str]:
    yield _text(8, y + 4, line.label)
    for ratio in line.ratios:
        yield f'<circle class="dot" cx="{scale.place(ratio):.1f}" cy="{y:.1f}" r="5"/>'
    x = scale.place(line.median)
    yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y - 10:.1f}" y2="{y + 10:.1f}" stroke="#1e3a8a" stroke-width="3"/>'
    if line.aim is not None:
        x = scale.place(line.aim)
        yield f'<path d="M{x:.1f} {y - 7:.1f}l7 7l-7 7l-7-7z" fill="none" stroke="#b45309" stroke-width="2"/>'


def _text(x: float, y: float, text: str, attributes: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {attributes}>{escape(text)}</text>'
