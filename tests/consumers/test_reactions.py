"""The topic of the owner of the users, followed on a real Kafka: each event once, whatever comes twice or is rubbish."""

import json
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import psycopg
import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.cimpl import NewTopic

from commands.ports import Decided
from commands.store.postgres import PostgresStore
from consumers.reactions import Reactions, follow
from consumers.user_events import UserEvents
from domain.project import PROJECTS
from domain.project.registration import register
from runtime import kafka, postgres
from runtime.process import Stop
from tests.commands.payments import context
from vault.keys import LocalKeyWrapper, MasterKey
from vault.records import PostgresVault

PROJECT = "prj_" + "a" * 32
USERS = 8


def said(word: str, user: int, **more: Any) -> bytes:
    return json.dumps({"type": f"user.{word}", "project_id": PROJECT, "user_id": f"u{user}", **more}).encode()


@pytest.mark.timeout(180)
async def test_each_event_is_one_command_however_often_it_is_delivered(
    database_url: str, kafka_bootstrap: str, topic_prefix: str
) -> None:
    topic = f"{topic_prefix}users"
    admin = kafka.admin(kafka_bootstrap)
    admin.create_topics([NewTopic(topic, 2, 1)])[topic].result()
    async with postgres.pool(database_url, name="test", size=2) as pool:
        store = PostgresStore(pool)
        stream = PROJECTS.at(PROJECT)
        await store.record(context(), [stream], lambda _: Decided([stream.facts(*registration())], {}))
        await store.close()

    producer = Producer({"bootstrap.servers": kafka_bootstrap})
    for user in range(USERS):
        created, suspended = said("created", user, id=f"c{user}"), said("suspended", user, id=f"s{user}")
        for value in (created, b"rubbish", suspended, created, suspended, said("logged_in", user)):
            producer.produce(topic, key=f"u{user}".encode(), value=value)
    producer.flush()
    for _ in range(2):  # The second one begins anew, with another group, and sees everything once more.
        run_until(database_url, kafka_bootstrap, topic, f"{topic_prefix}{_}", 3 * USERS)

    with psycopg.connect(database_url) as connection:
        counts = connection.execute(
            "SELECT type, count(*) FROM store.events WHERE topic = 'customers' GROUP BY 1"
        ).fetchall()
    assert dict(counts) == {"customer.registered": USERS, "customer.suspended": USERS}


def run_until(database_url: str, bootstrap: str, topic: str, group: str, commands: int) -> None:
    """Follow the topic until its last record is behind the group."""

    @asynccontextmanager
    async def build() -> AsyncIterator[Reactions]:
        async with postgres.pool(database_url, name="test", size=2) as pool:
            store = PostgresStore(pool)
            vault = PostgresVault(pool, LocalKeyWrapper(MasterKey(b"k" * 32)))
            yield Reactions(store, cast(Any, None), vault, UserEvents(None))
            await store.close()

    consumer = kafka.consumer(bootstrap, group_id=group, auto_offset_reset="earliest", enable_auto_commit=False)
    watching = kafka.consumer(bootstrap, group_id=group, enable_auto_commit=False)
    stop = Stop()
    thread = threading.Thread(target=follow, args=(consumer, topic, build, stop))
    thread.start()
    try:
        deadline = time.monotonic() + 90
        while not behind_all(watching, topic):
            assert time.monotonic() < deadline, "the topic was not read to its end"
            time.sleep(0.2)
    finally:
        stop.set()
        thread.join()
        watching.close()


def behind_all(watching: Any, topic: str) -> bool:
    places = watching.committed([TopicPartition(topic, partition) for partition in range(2)], timeout=10)
    ends = [watching.get_watermark_offsets(place, timeout=10)[1] for place in places]
    return all(place.offset >= end or end == 0 for place, end in zip(places, ends, strict=True))


def registration() -> list[Any]:
    return list(
        register(
            None,
            project_id=PROJECT,
            name="Shop",
            domain="shop.example",
            default_currency="usd",
            products=[],
            payment_types=None,
            features=None,
        )
    )
