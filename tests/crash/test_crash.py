"""The short form of the crash matrix (`make crash` is the long one), and that its steps are where the product takes them."""

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.checking import check
from tests.crash.play import play
from tests.crash.steps import STEPS, arm

COMMANDS = int(os.environ.get("TILLSTREAM_TEST_CRASH_COMMANDS", "300"))


@pytest.fixture
def untouched() -> Iterator[None]:
    """Take back whatever a test has wrapped, in all modules."""
    before = {name: dict(vars(module)) for name, module in sys.modules.items() if module is not None}
    senders = {}
    for name in ("commands.publisher.sending",):
        __import__(name)
        senders[name] = dict(vars(sys.modules[name].Sender))
    yield
    for name, attributes in before.items():
        for key, value in attributes.items():
            if name in sys.modules and vars(sys.modules[name]).get(key) is not value:
                setattr(sys.modules[name], key, value)
    for name, members in senders.items():
        for key in ("hand_over",):
            setattr(sys.modules[name].Sender, key, members[key])


@pytest.mark.parametrize("step", list(STEPS))
def test_every_step_is_where_the_product_takes_it(step: str, untouched: None) -> None:
    arm(STEPS[step], 1_000_000)


@pytest.mark.timeout(600)
def test_a_run_of_the_crash_matrix_loses_and_doubles_nothing(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    seed = random.randrange(10**6)  # Shown where it fails, for `python -m tests.crash --seed`.

    story = play(seed, COMMANDS, tmp_path, check)

    assert len(story.answered) == COMMANDS
    assert story.happened
