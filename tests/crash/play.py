"""One run of the crash matrix: commands go on while a seed chooses what dies, sleeps and wakes, and when."""

import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from unittest.mock import patch

import httpx

from sandbox import supervisor
from sandbox.environment import Folders
from sandbox.part import Part
from sandbox.platform import SERVICE, Platform
from tests.crash.steps import STEPS
from tests.whole.shop import Shop, register

CALLERS = 16
WALLETS = 50
SPARES = ("publisher", "projector")  # Of these a second one is alive all the time.

_LONGEST_SLEEP_SECONDS = 8.0  # Longer than a consumer's session.
_ANSWERED_WITHIN_SECONDS = 240.0


class ArmedPlatform(Platform):
    """The local platform, some of whose processes die at a step when they are started next."""

    def __init__(self, folder: Path) -> None:
        super().__init__(Folders(run=folder / "run", data=folder / "data"), given={}, say=lambda _: None)
        self.armed: dict[str, tuple[str, int]] = {}

    def _process(self, name: str) -> Part:
        part = super()._process(name)
        module = SERVICE[name].module

        def command() -> Sequence[str]:
            if name not in self.armed:
                return part.command()
            step, times = self.armed.pop(name)
            return [sys.executable, "-m", "tests.crash.steps", step, str(times), *module]

        return replace(part, command=command)

    def part(self, name: str) -> Part:
        return self._process(name)

    def spare(self, name: str) -> Part:
        return replace(super()._process(name), name=f"{name}-2", after=())


@dataclass
class Story:
    """What a seed chose, in order, and what the callers were answered."""

    seed: int
    happened: list[str] = field(default_factory=list)
    answered: dict[str, str] = field(default_factory=dict)  # entry id by idempotency key


def play(seed: int, commands: int, folder: Path, check: Callable[[ArmedPlatform, Story], None]) -> Story:
    """Play one run, then check what is left of it. Whatever `check` finds wrong it raises."""
    story = Story(seed)
    # Here processes die more often in a minute than a person would bear with.
    with patch.object(supervisor, "DEATHS_ALLOWED", 1_000), ArmedPlatform(folder) as platform, _spares(platform):
        with httpx.Client(timeout=20, trust_env=False) as http, ThreadPoolExecutor(CALLERS) as callers:
            shop = register(platform, http)
            asked = [callers.submit(_grant, shop, number, story) for number in range(commands)]
            _trouble(platform, random.Random(seed), story, lambda: all(call.done() for call in asked))
            for call in asked:
                call.result()
        check(platform, story)
    return story


def _grant(shop: Shop, number: int, story: Story) -> None:
    """A command, sent until it is answered, under one key."""
    name = f"grant-{number}"
    body = {"user_id": f"user-{number % WALLETS}", "credit_type": "api", "amount": 1, "reason": name}
    deadline = time.monotonic() + _ANSWERED_WITHIN_SECONDS
    while True:
        try:
            answer = shop.post("/credits/grant", body, name)
            if answer.status_code in (200, 201):
                story.answered[name] = answer.json()["entry_id"]
                return
            assert answer.status_code in (409, 503), answer.text
        except httpx.TransportError:
            pass  # Whether it was recorded is not known: that is what the key is for.
        assert time.monotonic() < deadline, f"{name} was never answered"
        time.sleep(0.5)


def _trouble(platform: ArmedPlatform, chance: random.Random, story: Story, over: Callable[[], bool]) -> None:
    """At least one trouble, and more until all commands are answered."""
    while True:
        trouble = chance.choices(list(_TROUBLES), weights=[weight for _, weight in _TROUBLES.values()])[0]
        story.happened.append(_TROUBLES[trouble][0](platform, chance))
        time.sleep(chance.uniform(0.3, 1.5))
        if over():
            return


def _die_at_a_step(platform: ArmedPlatform, chance: random.Random) -> str:
    step = chance.choice(list(STEPS))
    process, times = STEPS[step].process, chance.randint(1, 12)
    platform.parts.kill(process)
    platform.armed[process] = (step, times)
    platform.parts.run_beside(platform.part(process))
    time.sleep(chance.uniform(1, 3))
    platform.parts.kill(process)  # Dead already where the step was reached so often.
    platform.parts.start_again(process)
    return f"{process} died {step}, call {times}"


def _die(platform: ArmedPlatform, chance: random.Random) -> str:
    name = chance.choice(["api", "publisher", "publisher-2", "projector", "projector-2"])
    platform.parts.kill(name)
    time.sleep(chance.uniform(0, 0.5))
    platform.parts.start_again(name)
    return f"{name} was killed"


def _lose_a_server(platform: ArmedPlatform, chance: random.Random) -> str:
    name = chance.choice(["postgres", "kafka"])
    platform.parts.kill(name)
    time.sleep(chance.uniform(0, 1))
    platform.parts.start_again(name)
    return f"{name} was killed"


def _sleep(platform: ArmedPlatform, chance: random.Random) -> str:
    name = chance.choice(["publisher", "publisher-2", "projector", "projector-2"])
    seconds = chance.uniform(1, _LONGEST_SLEEP_SECONDS)
    platform.parts.pause(name)
    time.sleep(seconds)
    platform.parts.resume(name)
    return f"{name} slept {seconds:.1f} s"


_TROUBLES: dict[str, tuple[Callable[[ArmedPlatform, random.Random], str], int]] = {
    "step": (_die_at_a_step, 5),
    "death": (_die, 3),
    "server": (_lose_a_server, 1),
    "sleep": (_sleep, 1),
}


@contextmanager
def _spares(platform: ArmedPlatform) -> Iterator[None]:
    for name in SPARES:
        platform.parts.start(platform.spare(name))
    yield
