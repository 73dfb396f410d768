"""What a replay shows while it works, on a terminal and elsewhere."""

import io

import pytest
from rich.console import Console

from runtime.screen import Screen


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def console(*, is_terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=is_terminal, width=120, _environ={})


def printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_where_there_is_no_terminal_a_line_every_few_seconds_says_rate_and_time_left(clock: Clock) -> None:
    file = console(is_terminal=False)
    with Screen(file, clock) as screen:
        for done in range(0, 101_000, 1_000):
            screen.progress("from Kafka", done, 100_000)
            clock.now += 0.125

    assert printed(file).splitlines() == [
        "from Kafka: 0 of 100,000 facts",
        "from Kafka: 40,000 of 100,000 facts, 8,000 facts/s, 8 s left",
        "from Kafka: 80,000 of 100,000 facts, 8,000 facts/s, 3 s left",
        "from Kafka: 100,000 of 100,000 facts, 8,000 facts/s",
    ]


def test_what_was_done_before_does_not_count_as_speed(clock: Clock) -> None:
    file = console(is_terminal=False)
    with Screen(file, clock) as screen:
        for done in (600_000, 601_000, 602_000):
            screen.progress("from the store", done, 1_000_000)
            clock.now += 5

    assert printed(file).splitlines()[-1] == "from the store: 602,000 of 1,000,000 facts, 200 facts/s, 1,990 s left"


def test_on_a_terminal_there_is_a_bar_and_sentences_stand_above_it(clock: Clock) -> None:
    terminal = console(is_terminal=True)
    with Screen(terminal, clock) as screen:
        for done in (0, 10_000, 20_000):
            screen.progress("from Kafka", done, 100_000)
            clock.now += 1
        screen.say("Going on with payments_2.")

    assert "Going on with payments_2.\n" in printed(terminal)
    assert "20000/100000" in printed(terminal)
    assert "10,000 facts/s" in printed(terminal)
