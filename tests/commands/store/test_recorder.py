"""The eventsourcing library's own recorder test cases, run against our tables, and the library reading our facts."""

import sys
from collections.abc import Iterator
from uuid import uuid4

import eventsourcing.cryptography
import pytest
from eventsourcing.persistence import EventStore as LibraryStore
from eventsourcing.persistence import IntegrityError, OperationalError, StoredEvent
from psycopg_pool import ConnectionPool

from commands.ports import Decided
from commands.store.mapper import FactMapper, RecordedFact
from commands.store.postgres import PostgresStore
from commands.store.recorder import Recorder
from domain.streams import Facts
from tests.commands.store.shopping import context, initiated, opened, payment, purchased, wallet

# The library's test module wants its cipher that stands on pycryptodome; this is its other one, on a package we have.
sys.modules.setdefault("eventsourcing.cipher", eventsourcing.cryptography)
from eventsourcing.tests.persistence import AggregateRecorderTestCase, ApplicationRecorderTestCase  # noqa: E402


@pytest.fixture
def pool(database_url: str) -> Iterator[ConnectionPool]:
    with ConnectionPool(database_url, min_size=1, max_size=8, kwargs={"autocommit": True}, open=False) as opened:
        yield opened


class _TheLibrarysCases:
    """What both of the library's test cases need of us. They count an aggregate's versions from 0 here and there."""

    INITIAL_VERSION = 0
    NUMBERS_AT_ONCE: bool
    pool: ConnectionPool

    @pytest.fixture(autouse=True)
    def _use_database(self, pool: ConnectionPool) -> None:
        self.pool = pool

    def create_recorder(self) -> Recorder:
        return Recorder(
            self.pool,
            project_id="prj_library",
            actor="system:library",
            partitions=12,
            first_version=self.INITIAL_VERSION,
            number_at_once=self.NUMBERS_AT_ONCE,
            topic_of=lambda _: "payments",
        )

    def new_originator_id(self) -> str:
        return f"agg_{uuid4().hex}"


class TestAggregateRecorder(_TheLibrarysCases, AggregateRecorderTestCase):
    NUMBERS_AT_ONCE = False


class TestApplicationRecorder(_TheLibrarysCases, ApplicationRecorderTestCase[Recorder]):
    NUMBERS_AT_ONCE = True

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


@pytest.fixture
def recorder(pool: ConnectionPool) -> Recorder:
    return Recorder(pool, project_id="prj_shop", actor="key:key_1", partitions=12, number_at_once=True)


async def test_the_library_reads_what_the_service_recorded(postgres: PostgresStore, recorder: Recorder) -> None:
    stream = payment()
    facts = initiated(stream), opened(stream, "cs_1")
    await postgres.record(context(), [stream], lambda _: Decided([stream.facts(*facts)], {}))

    read = list(LibraryStore(FactMapper(), recorder).get(stream.id))

    assert read == [RecordedFact(stream.id, version, fact, "key:key_1") for version, fact in enumerate(facts, start=1)]
    assert recorder.max_notification_id() is None, "numbered by the publisher, which does not run here"


async def test_the_service_reads_what_the_library_recorded(postgres: PostgresStore, recorder: Recorder) -> None:
    paid, credited = payment(), wallet()
    facts = (initiated(paid), opened(paid, "cs_2"))
    recorded = [RecordedFact(paid.id, version, fact, "key:key_1") for version, fact in enumerate(facts, start=1)]
    recorded.append(RecordedFact(credited.id, 1, purchased(credited, 5, 5), "key:key_1"))

    recordings = LibraryStore(FactMapper(), recorder).put(recorded)

    assert [recording.notification.id for recording in recordings] == [1, 2, 3]
    assert await postgres.load(paid) == paid.kind.fold(facts)
    assert await postgres.find("checkout", "cs_2") == paid.id
    receipt = await postgres.record(context(), [paid], lambda _: Decided([Facts(paid, ())], {}))
    assert receipt.versions == {paid.id: 2}


def test_a_command_is_recorded_once_through_the_library_too(recorder: Recorder) -> None:
    asked, mapper = context(), FactMapper()
    events = [
        mapper.to_stored_event(RecordedFact(stream.id, 1, initiated(stream), "key:key_1"))
        for stream in (payment(), payment())
    ]
    recorder.insert_events(events[:1], context=asked)

    with pytest.raises(IntegrityError):
        recorder.insert_events(events[1:], context=asked)

    assert recorder.select_events(events[1].originator_id) == []


def test_a_database_that_is_away_is_the_librarys_operational_error() -> None:
    with ConnectionPool("postgresql://127.0.0.1:1/nowhere", min_size=1, timeout=0.2, open=False) as away:
        recorder = Recorder(away, project_id="prj_shop", actor="key:key_1", partitions=12)

        with pytest.raises(OperationalError):
            recorder.insert_events([StoredEvent("pay_1", 1, "payment.initiated", b"state")])
