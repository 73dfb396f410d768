"""Facts as readers find them, made without handlers and publisher: numbered and chained, in Kafka or in the store."""

import random
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import psycopg
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from domain.payment import PAYMENTS, PaymentExpired
from domain.streams import Facts
from domain.wallet import WALLETS
from eventlog import topics
from eventlog.topics import TopicSettings, full_name, partition_of
from schemas import chain, cloudevents, codec
from schemas.envelope import Envelope, Recorded, written
from schemas.names import name_of
from tests.samples import BEGINNING, PROJECT, initiated, opened, purchased, succeeded

PARTITIONS = 4


class History:
    """Everything recorded so far. Each commit happens a second after the one before, for a cause of its own."""

    def __init__(self, project_id: str = PROJECT) -> None:
        self.facts: list[Recorded] = []
        self._project_id = project_id
        self._commits = 0
        self._position = 0
        self._versions: dict[str, int] = {}
        self._hash = chain.GENESIS

    def commit(self, *facts: Facts, actor: str = "key:key_1") -> Sequence[Recorded]:
        """Record facts of one or several streams at once."""
        self._commits += 1
        recorded = [
            self._number(of.stream.kind.topic, of.stream.id, event, actor) for of in facts for event in of.events
        ]
        self.facts += recorded
        return recorded

    def add(self, topic: str, stream: str, event: object) -> Recorded:
        """Record one event of any sort, whether it makes sense there or not."""
        self._commits += 1
        self.facts.append(fact := self._number(topic, stream, event, "key:key_1"))
        return fact

    def _number(self, topic: str, stream: str, event: object, actor: str) -> Recorded:
        self._position += 1
        version = self._versions[stream] = self._versions.get(stream, 0) + 1
        known: dict[str, Any] = {
            "event_id": UUID(int=self._position),
            "type": name_of(event),
            "topic": topic,
            "stream": stream,
            "version": version,
            "recorded_at": BEGINNING + timedelta(seconds=self._commits),
            "project_id": self._project_id,
            "actor": actor,
            "correlation_id": f"req_{self._commits}",
            "causation_id": f"cause_{self._commits}",
        }
        value = codec.encode(event, actor)[1]
        before = self._hash
        self._hash = chain.link(before, position=self._position, written=written(Envelope(**known)), value=value)
        return Recorded(
            **known, position=self._position, event=event, value=value, previous_hash=before, hash=self._hash
        )


def lives_of_payments(count: int, *, seed: int = 1, history: History | None = None) -> History:
    """Payments of ten users that begin, go on in turns, and end; what succeeds buys credits in the same commit."""
    history = history or History()
    chance = random.Random(seed)
    balances: dict[str, int] = {}
    under_way: list[Iterator[None]] = []
    for number in range(count):
        payment_id = f"pay_{seed:08x}{number:024x}"
        under_way.append(_life(history, payment_id, f"u{chance.randrange(10)}", balances, chance))
    while under_way:
        life = chance.choice(under_way[:50])
        if next(life, "over") == "over":
            under_way.remove(life)
    return history


def _life(
    history: History, payment_id: str, user_id: str, balances: dict[str, int], chance: random.Random
) -> Iterator[None]:
    payment = PAYMENTS.at(payment_id)
    history.commit(payment.facts(initiated(payment_id, user_id=user_id)))
    yield
    history.commit(payment.facts(opened(payment_id)), actor="system:api")
    yield
    if chance.random() < 0.2:
        history.commit(payment.facts(PaymentExpired(payment_id=payment_id, reason="time")), actor="gateway:stripe")
        return
    balances[user_id] = balances.get(user_id, 0) + 100
    bought = purchased(payment_id, user_id=user_id, amount=100, balance=balances[user_id])
    history.commit(
        payment.facts(succeeded(payment_id)), WALLETS.at(bought.wallet_id).facts(bought), actor="gateway:stripe"
    )


def make_topics(bootstrap_servers: str, prefix: str, partitions: int = PARTITIONS) -> None:
    """The log's topics, as the publisher makes them, with few partitions."""
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    topics.ensure(admin, TopicSettings(prefix=prefix, partitions=partitions, replication=1, min_isr=1))


def send(bootstrap_servers: str, prefix: str, facts: Iterable[Recorded], partitions: int = PARTITIONS) -> None:
    """Publish facts in this order, each to its stream's partition.

    One request at a time keeps the order, too, and does not take the half second with which an idempotent producer begins.
    """
    producer = Producer({"bootstrap.servers": bootstrap_servers, "acks": "all", "max.in.flight": 1, "linger.ms": 2})
    for fact in facts:
        producer.produce(
            full_name(prefix, fact.topic),
            key=fact.stream.encode(),
            value=fact.value,
            partition=partition_of(fact.stream.encode(), partitions),
            headers=cast(Any, _headers(fact)),
        )
        producer.poll(0)
    producer.flush()


def _headers(fact: Recorded) -> Sequence[cloudevents.Header]:
    return cloudevents.headers(
        written(fact),
        position=fact.position,
        previous_hash=fact.previous_hash,
        hash=fact.hash,
        value=fact.value,
        service_url="http://127.0.0.1:8000",
    )


def put_in_store(database_url: str, facts: Iterable[Recorded]) -> None:
    """Put facts where the event store and its publisher leave them."""
    facts = list(facts)
    with psycopg.connect(database_url) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO store.events (stream, version, topic, type, event_id, command_id, project_id, actor, request_id,"
            " correlation_id, causation_id, schema_id, payload, recorded_at)"
            " VALUES (%s, %s, %s, %s, %s, gen_random_uuid(), %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    *(f.stream, f.version, f.topic, f.type, f.event_id, f.project_id, f.actor, f.correlation_id),
                    *(f.correlation_id, f.causation_id, codec.schema_id_of(f.value), f.value, f.recorded_at),
                )
                for f in facts
            ],
        )
        cursor.executemany(
            "INSERT INTO store.positions (position, stream, version, hash, topic, project_id)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            [(f.position, f.stream, f.version, f.hash, f.topic, f.project_id) for f in facts],
        )
