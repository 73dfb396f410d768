"""`GET …/status` from 64 connections, beside an empty handler behind the same server and the same load."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import psycopg

from benchmarks import workload
from benchmarks.load import Load, from_elsewhere
from benchmarks.row import Claim, Figures, Row, Sides
from benchmarks.servers import PARTITIONS, Servers
from commands.publisher import numbering
from eventlog import numbered
from eventlog.store import STORE, StoreLog
from projections import checkpoints, folding, generations
from projections.catalog import READ_MODELS

_PAYMENTS = 2_000
_CONNECTIONS = 64
_SECONDS = 2.0


@contextmanager
def prepare(servers: Servers, share: float) -> Iterator[Sides]:
    with servers.database() as database_url:
        _fill(database_url)
        with servers.api(database_url) as ours, servers.empty() as empty:
            numbers = random.Random(1).sample(range(_PAYMENTS), _PAYMENTS)
            paths = [f"/api/v1/payments/{workload.payment_id(number)}/status" for number in numbers]
            measure = partial(_measure, paths=paths, seconds=max(0.5, _SECONDS * share))
            yield Sides(ceiling=partial(measure, empty), ours=partial(measure, ours))


def _fill(database_url: str) -> None:
    """A shop and its payments in the store, and in the read models as the projector would leave them."""
    with (
        psycopg.connect(database_url, autocommit=True) as store,
        folding.connect(database_url, "projector") as connection,
    ):
        workload.record_project(store)
        workload.record_payments(store, _PAYMENTS)
        numbered.prepare(store)
        while numbering.number(store, PARTITIONS, 2_000):
            pass
        generations.ensure_live(connection, READ_MODELS)
        held = checkpoints.claim(connection, generations.load(connection, READ_MODELS, "live"), [STORE])
        log = StoreLog(store)
        while batches := log.read(2_000, 0):
            held = folding.fold(connection, held, batches)
        store.execute("VACUUM (ANALYZE)")


def _measure(port: int, *, paths: Sequence[str], seconds: float) -> Figures:
    return from_elsewhere(Load(port, paths, f"Bearer {workload.SECRET_KEY}", _CONNECTIONS, seconds))


ROW = Row(
    name="status",
    ceiling="an empty Starlette handler, same server settings, 64 connections",
    ours="GET …/payments/{id}/status: authenticated, read from Postgres",
    claims=(Claim(figure="rate", unit="requests/s", aim=0.55),),
    prepare=prepare,
)
