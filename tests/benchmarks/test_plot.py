"""The plot: well-formed, and everything in it where it belongs."""

import xml.etree.ElementTree as ElementTree

from benchmarks.plot import Line, svg

_SVG = "{http://www.w3.org/2000/svg}"


def test_a_line_has_a_dot_for_every_round_and_a_diamond_where_something_is_aimed_at() -> None:
    picture = ElementTree.fromstring(svg([Line("a <b>", [0.3, 0.4], 0.35, 0.45), Line("c", [20.0], 20.0, None)]))

    assert len(picture.findall(f"{_SVG}circle")) == 3
    assert len(picture.findall(f"{_SVG}path")) == 1
    assert "a <b>" in [text.text for text in picture.findall(f"{_SVG}text")]


def test_greater_ratios_stand_further_right_within_the_picture() -> None:
    picture = ElementTree.fromstring(svg([Line("a", [0.012, 0.3, 1.0, 95.0], 0.5, 1.0)]))

    places = [float(dot.attrib["cx"]) for dot in picture.findall(f"{_SVG}circle")]

    assert places == sorted(set(places))
    assert 0 < places[0] < places[-1] < float(picture.attrib["width"])
