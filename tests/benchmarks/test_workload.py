"""The workload: facts as the service itself would have recorded them."""

import hashlib

import psycopg
import pytest

from benchmarks import workload
from commands.store.postgres import PostgresStore
from domain.payment import PAYMENTS, Status
from domain.project import PROJECTS
from runtime import postgres


@pytest.fixture
def facts(database_url: str) -> int:
    with psycopg.connect(database_url, autocommit=True) as connection:
        workload.record_project(connection)
        return workload.record_payments(connection, 50)


async def test_every_payment_and_the_shop_fold_from_what_was_recorded(database_url: str, facts: int) -> None:
    async with postgres.pool(database_url, name="test", size=2) as pool:
        store = PostgresStore(pool)
        ends = set()
        for number in range(50):
            payment = await store.load(PAYMENTS.at(workload.payment_id(number)))
            ends.add(payment.status if payment else None)
        project = await store.load(PROJECTS.at(workload.PROJECT_ID))

    assert ends == {Status.SUCCEEDED, Status.EXPIRED}
    assert project is not None
    assert hashlib.sha256(workload.SECRET_KEY.encode()).hexdigest() in project.keys


def test_the_number_of_facts_is_what_waits_for_the_publisher(database_url: str, facts: int) -> None:
    with psycopg.connect(database_url) as connection:
        waiting = connection.execute("SELECT count(*) FROM store.outbox WHERE stream <> %s", [workload.PROJECT_ID])

        assert waiting.fetchone() == (facts,)
