"""A rebuild in batches, beside the same fold that commits every fact in a transaction of its own."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from benchmarks.long_log import LongLog, long_log
from benchmarks.rebuilding import rebuild
from benchmarks.row import Claim, Figures, Row, Sides
from benchmarks.servers import Servers
from eventlog.kafka import open_log
from projections import checkpoints, folding, generations
from projections.catalog import READ_MODELS
from schemas.names import TOPICS

_FACTS = 60_000
_FACTS_ONE_BY_ONE = 500


@contextmanager
def prepare(servers: Servers, share: float) -> Iterator[Sides]:
    with long_log(servers, int(_FACTS * share), compression="gzip") as log:
        count = int(_FACTS_ONE_BY_ONE * share)
        yield Sides(ceiling=partial(_one_by_one, servers, log, count), ours=partial(rebuild, servers, log))


def _one_by_one(servers: Servers, published: LongLog, count: int) -> Figures:
    """The first facts of the log into the same tables, by the same code, each in a transaction that flushes to disk."""
    prefix = published.topics.prefix
    with servers.database() as database_url, folding.connect(database_url, "one by one") as connection:
        log = open_log(servers.bootstrap_servers, TOPICS.values(), prefix=prefix, group_id=f"{prefix}one-by-one")
        generations.ensure_live(connection, READ_MODELS)
        held = checkpoints.claim(connection, generations.load(connection, READ_MODELS, "live"), log.sources())
        log.seek(checkpoints.lowest(held))
        began, seen = time.perf_counter(), 0
        while seen < count:
            batches = log.read(1, 1.0)
            held = folding.fold(connection, held, batches)
            seen += len(batches)
        seconds = time.perf_counter() - began
        log.close()
    return {"rate": count / seconds}


ROW = Row(
    name="batching",
    ceiling="one fact, one transaction, in all read models",
    ours="the same fold in batches: a replay",
    claims=(Claim(figure="rate", unit="facts/s", aim=100),),
    prepare=prepare,
)
