"""A rebuild of three million facts, beside one of a hundred thousand: as fast, and with as little memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from benchmarks.long_log import long_log
from benchmarks.rebuilding import rebuild
from benchmarks.row import Claim, Row, Sides
from benchmarks.servers import Servers

_SHORT = 100_000
_LONG = 3_000_000


@contextmanager
def prepare(servers: Servers, share: float) -> Iterator[Sides]:
    with long_log(servers, int(_SHORT * share)) as short, long_log(servers, int(_LONG * share)) as long:
        yield Sides(ceiling=partial(rebuild, servers, short), ours=partial(rebuild, servers, long))


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
