"""Live reads and writes while a million facts are replayed, killed half-way and resumed, beside the same with nothing else."""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from benchmarks import workload
from benchmarks.long_log import LongLog, long_log
from benchmarks.paced import Pace, brought
from benchmarks.replay_process import kill_half_way, replay
from benchmarks.row import Claim, Figures, Row, Sides
from benchmarks.servers import Servers

_FACTS = 1_000_000
_PAYMENTS_READ = 2_000
_READS_PER_SECOND = 50.0
_WRITES_PER_SECOND = 20.0
_QUIET_SECONDS = 30.0


@contextmanager
def prepare(servers: Servers, share: float) -> Iterator[Sides]:
    with long_log(servers, int(_FACTS * share)) as log:
        replay(servers, log.database_url, log.topics, "store")  # There is nothing live yet: it fills the read models.
        with (
            servers.publisher(log.database_url, log.topics),
            servers.projector(log.database_url, log.topics),
            servers.api(log.database_url) as port,
        ):
            pace = _pace(port, int(_PAYMENTS_READ * share))
            quiet_seconds = max(5.0, _QUIET_SECONDS * min(share, 1.0))
            yield Sides(
                ceiling=partial(_one_after_the_other, servers, log, pace, quiet_seconds),
                ours=partial(_at_once, servers, log, pace),
            )


def _one_after_the_other(servers: Servers, log: LongLog, pace: Pace, seconds: float) -> Figures:
    """Reads and writes while nothing else goes on, and then a replay while nobody reads or writes."""
    with brought(pace) as figures:
        time.sleep(seconds)
    watched = replay(servers, log.database_url, log.topics, "kafka")
    return {**figures(), "rate": log.facts / watched.seconds, "memory": watched.memory_mb}


def _at_once(servers: Servers, log: LongLog, pace: Pace) -> Figures:
    """Both, with a replay that is killed by SIGKILL half-way and goes on with the next start."""
    with brought(pace) as figures:
        seconds = kill_half_way(servers, log.database_url, log.topics, "kafka")
        watched = replay(servers, log.database_url, log.topics, "kafka")
    assert "Going on with payments_" in watched.said, watched.said
    assert "Every row is equal" in watched.said, watched.said
    return {**figures(), "rate": log.facts / (seconds + watched.seconds), "memory": watched.memory_mb}


def _pace(port: int, payments: int) -> Pace:
    numbers = random.Random(1).sample(range(payments), payments)
    paths = [f"/api/v1/payments/{workload.payment_id(number)}/status" for number in numbers]
    return Pace(port, f"Bearer {workload.SECRET_KEY}", paths, _READS_PER_SECOND, _WRITES_PER_SECOND)


ROW = Row(
    name="beside",
    ceiling=f"{_READS_PER_SECOND:g} reads and {_WRITES_PER_SECOND:g} grants a second, then a replay, each alone",
    ours=f"both at once; the replay of {_FACTS:,} facts is killed half-way and resumed",
    claims=(
        Claim(figure="reads_p99", unit="ms", aim=None, better="lower"),
        Claim(figure="writes_p99", unit="ms", aim=None, better="lower"),
        Claim(figure="rate", unit="facts/s", aim=None),
        Claim(figure="memory", unit="MB", aim=1.15, better="lower"),
    ),
    prepare=prepare,
    takes_long=True,
)
