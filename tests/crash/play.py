"""One run of the crash matrix: commands go on while a seed chooses what dies, sleeps, wakes and is lost, and when."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import httpx

from sandbox import supervisor
from tests.crash import checking
from tests.crash.errands import Errands
from tests.crash.ground import ARMED, UNARMED, CrashPlatform, Ground
from tests.crash.troubles import Happened, Trouble, Troubles
from tests.whole.shop import register

_TROUBLE_PER_COMMANDS = 200
_FEWEST = 8


@dataclass
class Story:
    """What a seed chose, and what came of it."""

    seed: int
    happened: Sequence[Happened] = ()
    commands: int = 0
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Take the time of a part of the run."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = time.monotonic() - began


def troubles_for(commands: int) -> int:
    """How many troubles go with so many commands."""
    return max(_FEWEST, round(commands / _TROUBLE_PER_COMMANDS))


def play(ground: Ground, story: Story, commands: int, dealt: Sequence[Trouble], folder: Path) -> None:
    """Play one run, check what is left of it, and tell it in the story. Whatever is wrong raises."""
    with ground.database() as (database_url, relayed_url), ground.topics() as prefix:
        platform = CrashPlatform(ground, folder, relayed_url, prefix)
        with _started(platform, story), httpx.Client(timeout=20, trust_env=False) as http:
            errands = Errands(register(platform, http), story.seed, commands)
            troubles = Troubles(platform, story.seed, dealt)
            try:
                with story.part("under fire"):
                    _both(errands, troubles)
            finally:
                story.happened, story.commands = troubles.happened, errands.answered
            with story.part("check"):
                checking.check(platform, database_url, errands)


@contextmanager
def _started(platform: CrashPlatform, story: Story) -> Iterator[None]:
    # Here processes die more often in a minute than a person would bear with.
    with patch.object(supervisor, "DEATHS_ALLOWED", 1_000):
        with story.part("start"):
            platform.__enter__()
        try:
            yield
        finally:
            with story.part("stop"):
                for name in (*ARMED, *UNARMED):  # Gentle ends are shown elsewhere, and take their time.
                    platform.parts.kill(name)
                platform.__exit__(None, None, None)


def _both(errands: Errands, troubles: Troubles) -> None:
    with ThreadPoolExecutor(2) as executor:
        done = [executor.submit(troubles.run), executor.submit(errands.run, lambda: troubles.share)]
        for work in done:
            work.result()
