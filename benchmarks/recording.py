"""Our recorder behind the eventsourcing library's interface, beside the library's stock one: 16 writers, no rivals."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from urllib.parse import urlsplit
from uuid import uuid4

from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg_pool import ConnectionPool

from benchmarks import workload
from benchmarks.row import Claim, Figures, Row, Sides
from benchmarks.servers import PARTITIONS, Servers
from commands.store.mapper import FactMapper, RecordedFact
from commands.store.recorder import Recorder

_EVENTS = 2_000
_WRITERS = 16

Insert = Callable[[Sequence[StoredEvent]], object]


@contextmanager
def prepare(servers: Servers, share: float) -> Iterator[Sides]:
    count = int(_EVENTS * share)
    with (
        servers.database() as database_url,
        _stock(database_url) as stock,
        ConnectionPool(
            database_url, min_size=_WRITERS, max_size=_WRITERS, kwargs={"autocommit": True}, open=False
        ) as pool,
    ):
        ours = Recorder(pool, project_id=workload.PROJECT_ID, actor="key:key_1", partitions=PARTITIONS)
        yield Sides(
            ceiling=partial(_insert_all, stock.insert_events, count),
            ours=partial(_insert_all, ours.insert_events, count),
        )


@contextmanager
def _stock(database_url: str) -> Iterator[PostgresApplicationRecorder]:
    """The library's recorder as it comes, on a table of its own."""
    parts = urlsplit(database_url)
    datastore = PostgresDatastore(
        dbname=parts.path.removeprefix("/"),
        host=parts.hostname or "",
        port=parts.port or 5432,
        user=parts.username or "",
        password=parts.password or "",
        pool_size=_WRITERS,
        originator_id_type="text",
    )
    with datastore:
        recorder = PostgresApplicationRecorder(datastore)
        recorder.create_table()
        yield recorder


def _insert_all(insert: Insert, count: int) -> Figures:
    """One event of a new stream in each insert; a writer begins its next when the last is durable."""
    events = [_event() for _ in range(count)]
    with ThreadPoolExecutor(_WRITERS) as writers:
        began = time.perf_counter()
        for _ in writers.map(lambda event: insert([event]), events):
            pass
        return {"rate": count / (time.perf_counter() - began)}


def _event() -> StoredEvent:
    payment_id = f"pay_{uuid4().hex}"
    fact = workload.initiated(payment_id, "u1", datetime.now(UTC))
    return FactMapper().to_stored_event(RecordedFact(payment_id, 1, fact, "key:key_1"))


ROW = Row(
    name="recording",
    ceiling=f"the library's stock recorder, {_WRITERS} writers",
    ours=f"our recorder behind the same interface, {_WRITERS} writers",
    claims=(Claim(figure="rate", unit="events/s", aim=1.0),),
    prepare=prepare,
)
