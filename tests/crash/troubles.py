"""What goes wrong in a run, dealt by its seed so that over many seeds every trouble comes up as often as every other."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import psycopg

from tests.crash import hastened, steps
from tests.crash.ground import ARMED, SPARES, CrashPlatform
from tests.crash.steps import STEPS, Trap

_LOOK_EVERY_SECONDS = 0.02
_STRIKES_WITHIN_SECONDS = 20.0  # Commands go on meanwhile, so every step is reached many times in it.
_BACK_WITHIN_SECONDS = 60.0
_JUST_NOW_SECONDS = 0.5


@dataclass(frozen=True)
class Happened:
    """One trouble as it came about. `struck`: what was meant to happen did."""

    kind: str
    struck: bool
    how: str = ""

    def __str__(self) -> str:
        return self.kind + (f" ({self.how})" if self.how else "") + ("" if self.struck else ", which it never came to")


Strike = Callable[[CrashPlatform, random.Random], tuple[bool, str]]


@dataclass(frozen=True)
class Trouble:
    """Something that goes wrong. Those of one lane come one after the other, those of several at the same time."""

    kind: str
    lane: str
    strike: Strike
    weight: int = 2


class Troubles:
    """A run's troubles at work. `share` says how far they have come, from 0 to 1."""

    def __init__(self, platform: CrashPlatform, seed: int, dealt: Sequence[Trouble]) -> None:
        self._platform = platform
        self._seed = seed
        self._dealt = dealt
        self._noting = threading.Lock()
        self._over = False
        self.happened: list[Happened] = []

    @property
    def share(self) -> float:
        return 1.0 if self._over else (len(self.happened) + 1) / (len(self._dealt) + 2)

    def run(self) -> None:
        """Let all of them happen, each lane in its order."""
        try:
            self._run()
        finally:
            self._over = True

    def _run(self) -> None:
        lanes: dict[str, list[tuple[int, Trouble]]] = {}
        for number, trouble in enumerate(self._dealt):
            lanes.setdefault(trouble.lane, []).append((number, trouble))
        with ThreadPoolExecutor(max(1, len(lanes))) as executor:
            for lane in [executor.submit(self._go, lane) for lane in lanes.values()]:
                lane.result()

    def _go(self, lane: Sequence[tuple[int, Trouble]]) -> None:
        for number, trouble in lane:
            chance = random.Random(f"{self._seed}/{number}")
            time.sleep(chance.uniform(0.05, 0.5))
            struck, how = trouble.strike(self._platform, chance)
            with self._noting:
                self.happened.append(Happened(trouble.kind, struck, how))


def deal(seed: int, count: int) -> Sequence[Trouble]:
    """The troubles of one run. Runs with seeds that follow each other deal from one shuffled deck after the other."""
    size = len(_DECK)
    places = range(seed * count, (seed + 1) * count)
    decks = {number: random.Random(number).sample(_DECK, size) for number in {place // size for place in places}}
    return [decks[place // size][place % size] for place in places]


def each_step_once(seed: int) -> Sequence[Trouble]:
    """For a short run: each process dies at each of its steps, each server dies, each kind of answer is lost, in any order."""
    return random.Random(seed).sample(_IN_SHORT, len(_IN_SHORT))


# How they come about. Each returns once what was broken is up again.


def _die_at(name: str) -> Strike:
    """A process dies at a step of its own; where two of it are alive, whichever comes to it first."""

    def strike(platform: CrashPlatform, chance: random.Random) -> tuple[bool, str]:
        times = chance.randint(1, 6)
        with Trap(name, times) as trap:
            struck = _sprung(trap, platform, STEPS[name].process)
        _until(platform.answers, "the API did not answer")
        return struck, f"call {times}"

    return strike


def _server_dies_at(server: str, name: str) -> Strike:
    """A server dies at the moment when a process is at a step."""

    def strike(platform: CrashPlatform, chance: random.Random) -> tuple[bool, str]:
        times, servers = chance.randint(1, 6), platform.ground.parts
        with platform.ground.returning[server]:
            before = servers.pid(server)
            with Trap(name, times, before) as trap:
                struck = _sprung(trap, platform, STEPS[name].process)
            if struck:
                _until(lambda: servers.pid(server) != before, f"{server} did not die")
            _until(platform.ground.server_parts[server].ready, f"{server} was not back")
        return struck, f"call {times}"

    return strike


def _sprung(trap: Trap, platform: CrashPlatform, process: str) -> bool:
    """Lay the trap, also for whoever is started meanwhile, and wait for it to spring."""
    deadline = time.monotonic() + _STRIKES_WITHIN_SECONDS
    laid: dict[str, int] = {}
    while not trap.is_sprung and time.monotonic() < deadline:
        for twin in _twins(process):
            pid = platform.parts.pid(twin)
            if laid.get(twin) != pid and not trap.is_sprung and trap.lay(platform.ports[twin]):
                laid[twin] = pid
        trap.look(_LOOK_EVERY_SECONDS)
    return trap.is_sprung


def _die(name: str) -> Strike:
    def strike(platform: CrashPlatform, chance: random.Random) -> tuple[bool, str]:
        platform.parts.kill(name)
        time.sleep(chance.uniform(0, 0.3))
        platform.parts.start_again(name)
        return True, ""

    return strike


def _server_dies(server: str) -> Strike:
    def strike(platform: CrashPlatform, chance: random.Random) -> tuple[bool, str]:
        with platform.ground.returning[server]:
            platform.ground.parts.kill(server)
            time.sleep(chance.uniform(0, 0.5))
            platform.ground.parts.start_again(server)
        return True, ""

    return strike


def _sleep_past(kind: str, step: str, seconds: float, relieved_of: str) -> Strike:
    """The process that is at work is frozen until it has been relieved, and then wakes up and goes on."""

    def strike(platform: CrashPlatform, chance: random.Random) -> tuple[bool, str]:
        deadline = time.monotonic() + _STRIKES_WITHIN_SECONDS
        at_work = _at_work(platform, kind, step)
        while (before := _number(platform, relieved_of)) < 0 and time.monotonic() < deadline:
            at_work = _at_work(platform, kind, step)  # Postgres has just died, and who is at work may be another now.
        platform.parts.pause(at_work)
        time.sleep(seconds + chance.uniform(0, 1))
        deadline = time.monotonic() + _STRIKES_WITHIN_SECONDS
        while not (relieved := _number(platform, relieved_of) > before >= 0) and time.monotonic() < deadline:
            time.sleep(0.1)
        platform.parts.resume(at_work)
        return relieved, at_work

    return strike


def _at_work(platform: CrashPlatform, kind: str, step: str) -> str:
    """Which of two was last at a step, and just now."""
    deadline = time.monotonic() + _STRIKES_WITHIN_SECONDS
    while True:
        since = {twin: steps.seconds_since(platform.ports[twin], step) for twin in _twins(kind)}
        latest = min(since, key=since.__getitem__)
        if since[latest] < _JUST_NOW_SECONDS or time.monotonic() > deadline:
            return latest
        time.sleep(_LOOK_EVERY_SECONDS)


def _nap(name: str) -> Strike:
    def strike(platform: CrashPlatform, chance: random.Random) -> tuple[bool, str]:
        seconds = chance.uniform(0.2, 1.5)
        platform.parts.pause(name)
        time.sleep(seconds)
        platform.parts.resume(name)
        return True, f"{seconds:.1f} s"

    return strike


def _lose_commit(application: str) -> Strike:
    def strike(platform: CrashPlatform, chance: random.Random) -> tuple[bool, str]:
        with platform.ground.postgres_relay.lose(lambda name, _: name == application) as happened:
            return happened.wait(_STRIKES_WITHIN_SECONDS), ""

    return strike


def _lose_acknowledgement(platform: CrashPlatform, chance: random.Random) -> tuple[bool, str]:
    with platform.ground.kafka_relay.lose() as happened:
        return happened.wait(_STRIKES_WITHIN_SECONDS), ""


def _twins(kind: str) -> Sequence[str]:
    return [kind, f"{kind}-2"] if kind in SPARES else [kind]


def _number(platform: CrashPlatform, query: str) -> int:
    """-1 where Postgres is away."""
    try:
        with psycopg.connect(platform.environment["DATABASE_URL"], autocommit=True, connect_timeout=2) as connection:
            row = connection.execute(query.encode()).fetchone()
    except psycopg.OperationalError:
        return -1
    return int(row[0]) if row and row[0] is not None else -1


def _until(ready: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + _BACK_WITHIN_SECONDS
    while not ready():
        assert time.monotonic() < deadline, f"{otherwise} within {_BACK_WITHIN_SECONDS:.0f} s"
        time.sleep(0.05)


_EPOCH = "SELECT epoch FROM store.publisher"
_EPOCHS = "SELECT sum(epoch) FROM read.checkpoints"

TROUBLES = [
    *(Trouble(f"{step.process} dies {name}", step.process, _die_at(name), 4) for name, step in STEPS.items()),
    *(
        Trouble(f"{server} dies {name}", step.process, _server_dies_at(server, name), weight)
        for server, weight in (("postgres", 2), ("kafka", 1))
        for name, step in STEPS.items()
    ),
    *(Trouble(f"{name} dies", name.removesuffix("-2"), _die(name)) for name in (*ARMED, "reconciler")),
    Trouble("postgres dies", "servers", _server_dies("postgres"), 3),
    Trouble("kafka dies", "servers", _server_dies("kafka")),
    Trouble(
        "publisher sleeps until another leads",
        "publisher",
        _sleep_past("publisher", "after numbering", hastened.PATIENCE_SECONDS, _EPOCH),
        3,
    ),
    Trouble(
        "projector sleeps past its session",
        "projector",
        _sleep_past("projector", "after the fold's commit", hastened.SESSION_SECONDS, _EPOCHS),
        4,
    ),
    *(Trouble(f"{name} sleeps", name.removesuffix("-2"), _nap(name), 1) for name in ARMED),
    Trouble("the answer to COMMIT is lost: api", "api", _lose_commit("tillstream api store"), 6),
    Trouble("the answer to COMMIT is lost: numbering", "publisher", _lose_commit("tillstream publisher numbering"), 4),
    Trouble("the answer to COMMIT is lost: checkpoint", "publisher", _lose_commit("tillstream publisher sending"), 4),
    Trouble("the answer to COMMIT is lost: projector", "projector", _lose_commit("tillstream projector"), 6),
    Trouble("Kafka's acknowledgement is lost", "publisher", _lose_acknowledgement, 6),
]
_DECK = [trouble for trouble in TROUBLES for _ in range(trouble.weight)]
_IN_SHORT = [
    trouble
    for trouble in TROUBLES
    if trouble.kind in ("postgres dies", "kafka dies")
    or trouble.kind in {f"{step.process} dies {name}" for name, step in STEPS.items()}
    or " past " in trouble.kind
    or " until " in trouble.kind
    or " is lost" in trouble.kind
]
