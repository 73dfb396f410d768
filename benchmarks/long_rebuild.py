"""A rebuild of three million facts, beside one of a hundred thousand: as fast, and with as little memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from benchmarks.long_log import LongLog, long_log
from benchmarks.replay_process import replay
from benchmarks.row import Claim, Figures, Row, Sides
from benchmarks.servers import Servers

_SHORT = 100_000
_LONG = 3_000_000


@contextmanager
def prepare(servers: Servers, share: float) -> Iterator[Sides]:
    with long_log(servers, int(_SHORT * share)) as short, long_log(servers, int(_LONG * share)) as long:
        yield Sides(ceiling=partial(_rebuild, servers, short), ours=partial(_rebuild, servers, long))


def _rebuild(servers: Servers, log: LongLog) -> Figures:
    """All read models from Kafka, into an empty database, by a process of its own."""
    with servers.database() as database_url:
        watched = replay(servers, database_url, log.topics, "kafka")
    return {"rate": log.facts / watched.seconds, "memory": watched.memory_mb}


ROW = Row(
    name="long",
    ceiling=f"a replay of {_SHORT:,} facts from Kafka, as a process",
    ours=f"a replay of {_LONG:,} facts",
    claims=(
        Claim(figure="rate", unit="facts/s", aim=0.95),
        Claim(figure="memory", unit="MB", aim=1.15, better="lower"),
    ),
    prepare=prepare,
    takes_long=True,
)
