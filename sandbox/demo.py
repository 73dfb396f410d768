"""One payment through the running parts, told fact by fact: what `make demo` shows."""

import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
from confluent_kafka import Consumer, Message, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext
from rich.console import Console
from rich.table import Table

from sandbox.calls import WAIT_SECONDS, Call, StoryFailed, answer, caller, until

SHOP = {
    "name": "Chart API",
    "domain": "charts.example",
    "default_currency": "usd",
    "success_url": "https://charts.example/thanks",
    "products": [
        {
            "id": "charts-1000",
            "name": "1,000 charts",
            "type": "api_credits",
            "price_id": "price_credits_1000",
            "credits": 1000,
            "credit_type": "charts",
        }
    ],
}
CARD = {"card_number": "4242424242424242"}

Facts = list[tuple[Mapping[str, str], dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Demo:
    """Tells the story on `console`. `environment` says where everything is, as `.run/env` does."""

    environment: Mapping[str, str]
    console: Console

    def tell(self) -> None:
        """Register, pay, wait, read back. Raises `StoryFailed` with what was expected where something else came."""
        with httpx.Client(timeout=WAIT_SECONDS, trust_env=False) as http:
            project = self._register(http)
            call = caller(http, self.environment["TILLSTREAM_URL"], project["secret_key"])
            payment = self._start(call)
            self._pay(http, payment)
            self._status(call, payment["payment_id"])
            audit = self._audit(call, payment["payment_id"])
            self._credits(call)
        self._facts(audit)

    def _register(self, http: httpx.Client) -> Any:
        operator = caller(http, self.environment["TILLSTREAM_URL"], self.environment["TILLSTREAM_OPERATOR_TOKEN"])
        project = operator("POST", "/api/v1/projects", SHOP)
        self._say(1, "A project joins", f"{project['name']} · features: {', '.join(project['features'])}")
        return project

    def _start(self, call: Call) -> Any:
        order = {"user_id": "user-1", "email": "ada@example.com", "product_id": "charts-1000"}
        payment = call("POST", "/api/v1/payments", order)
        self._say(2, "It asks for a payment", payment["payment_id"])
        return payment

    def _pay(self, http: httpx.Client, payment: Mapping[str, Any]) -> None:
        url = f"{self.environment['STRIPE_API_BASE']}/sandbox/checkout/{payment['checkout_session_id']}/pay"
        answer(http.post(url, json=CARD))
        self._say(3, "The customer pays at Stripe", "card 4242 4242 4242 4242")

    def _status(self, call: Call, payment_id: str) -> None:
        started = time.monotonic()
        payment = until(
            lambda: call("GET", f"/api/v1/payments/{payment_id}/status"),
            lambda answer: answer["status"] == "succeeded",
            "the payment's status to be succeeded",
        )
        waited = f"{(time.monotonic() - started) * 1000:.0f} ms later"
        amount = f"{payment['amount'] / 100:.2f} {payment['currency'].upper()}"
        self._say(4, "Stripe's webhook came back", f"[bold green]{payment['status']}[/] · {amount} · {waited}")

    def _credits(self, call: Call) -> None:
        credits = until(
            lambda: call("GET", "/api/v1/credits/user-1"),
            lambda answer: bool(answer["balances"]),
            "the credits to be in the balance",
        )
        (balance,) = credits["balances"]
        self._say(5, "The customer has credits", f"{balance['balance']} {balance['credit_type']}")

    def _audit(self, call: Call, payment_id: str) -> list[dict[str, Any]]:
        answer = until(
            lambda: call("GET", f"/api/v1/payments/{payment_id}/audit"),
            lambda answer: {"payment.succeeded", "credits.purchased"} <= {row["action"] for row in answer["entries"]},
            "the audit trail to hold the whole payment",
        )
        rows: list[dict[str, Any]] = answer["entries"]
        return rows

    def _facts(self, audit: list[dict[str, Any]]) -> None:
        self.console.print("\nThe audit trail, each fact with its place in the hash chain:\n")
        self.console.print(_table(("pos", "fact", "by", "caused by", "hash"), map(_audit_row, audit)))
        wanted = {row["event_id"] for row in audit}
        published = _read_back(self.environment, wanted)
        self.console.print("\nThe same facts, read from Kafka by a stock Avro deserializer and the registry:\n")
        self.console.print(_table(("pos", "type", "key", "record"), map(_published_row, published)))

    def _say(self, step: int, what: str, how: str) -> None:
        self.console.print(f"[bold cyan]{step}[/]  {what:<28} {how}")


def _read_back(environment: Mapping[str, str], wanted: set[str]) -> Facts:
    """What any team would do: the broker's address, the registry's, and a stock client."""
    deserialize = AvroDeserializer(SchemaRegistryClient({"url": environment["SCHEMA_REGISTRY_URL"]}))
    found: Facts = []
    deadline = time.monotonic() + WAIT_SECONDS
    with _whole_log(environment) as consumer:
        while len(found) < len(wanted):
            if time.monotonic() > deadline:
                raise StoryFailed(f"Waited {WAIT_SECONDS:.0f} s for {len(wanted)} facts in Kafka; {len(found)} came.")
            message = consumer.poll(0.5)
            if message is None or message.error():
                continue
            headers = _headers(message)
            if headers["ce_id"] in wanted:
                where = SerializationContext(message.topic() or "", MessageField.VALUE)
                found.append((headers, deserialize(message.value(), where)))
    return sorted(found, key=lambda fact: int(fact[0]["ce_position"]))


def _headers(message: Message) -> dict[str, str]:
    headers = dict(message.headers() or [])
    return {name: value.decode() for name, value in headers.items() if isinstance(value, bytes)}


@contextmanager
def _whole_log(environment: Mapping[str, str]) -> Iterator[Consumer]:
    consumer = Consumer(
        {
            "bootstrap.servers": environment["KAFKA_BOOTSTRAP_SERVERS"],
            "group.id": f"demo-{uuid4()}",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
    )
    with closing(consumer):
        topics = consumer.list_topics(timeout=WAIT_SECONDS).topics
        ours = [topic for name, topic in topics.items() if name.startswith(environment["KAFKA_TOPIC_PREFIX"])]
        consumer.assign([TopicPartition(topic.topic, part, 0) for topic in ours for part in topic.partitions])
        yield consumer


def _table(columns: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> Table:
    table = Table(box=None, padding=(0, 1), header_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def _audit_row(row: Mapping[str, Any]) -> tuple[str, ...]:
    actor = _short(f"{row['actor_type']}:{row['actor_id']}")
    return str(row["position"]), row["action"], actor, _short(row["causation_id"]), _short(row["hash"])


def _published_row(fact: tuple[Mapping[str, str], dict[str, Any]]) -> tuple[str, ...]:
    headers, record = fact
    shown = (f"{name}={_short(str(record[name]))}" for name in _SHOWN if record.get(name) is not None)
    return (
        headers["ce_position"],
        headers["ce_type"],
        _short(headers["ce_subject"]),
        " ".join(shown) or _short(record.get("checkout_id", "")),
    )


def _short(text: str) -> str:
    return text if len(text) <= _SHORT else f"{text[:_SHORT]}…"


_SHORT = 14
_SHOWN = ("amount_minor", "currency", "amount", "balance")
