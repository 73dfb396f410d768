"""Real servers to measure on: PostgreSQL that flushes to disk, Kafka that compiles fully, and the service's own processes."""

import base64
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

import migrations
from eventlog.topics import TopicSettings, full_names
from projections.catalog import READ_MODELS
from runtime import kafka
from sandbox.addresses import LOOPBACK, accepts_connections, free_port
from sandbox.kafka import Kafka
from sandbox.part import Part
from sandbox.postgres import Postgres
from sandbox.supervisor import Supervisor

PARTITIONS = 12

_WITHIN_SECONDS = 120.0


class Servers:
    """A PostgreSQL and a Kafka of the benchmark's own, on the settings of the local platform."""

    def __init__(self, parts: Supervisor, postgres_url: str, bootstrap_servers: str) -> None:
        self.bootstrap_servers = bootstrap_servers
        self._parts = parts
        self._postgres_url = postgres_url

    @contextmanager
    def database(self, copy_of: str | None = None) -> Iterator[str]:
        """The URL of a new database with all migrations, or of a copy of one to which nobody is connected."""
        name = f"bench_{uuid.uuid4().hex}"
        template = urlsplit(copy_of).path.removeprefix("/") if copy_of else "template1"
        self._administer("CREATE DATABASE {} TEMPLATE {}", name, template)
        url = urlsplit(self._postgres_url)._replace(path=f"/{name}").geturl()
        try:
            if copy_of is None:
                migrations.up(url)
            yield url
        finally:
            self._administer("DROP DATABASE {} WITH (FORCE)", name)

    @contextmanager
    def topics(self) -> Iterator[TopicSettings]:
        """Settings of topics that nobody else uses. The publisher makes them; they are deleted at the end."""
        settings = TopicSettings(prefix=f"bench-{uuid.uuid4().hex}.", partitions=PARTITIONS, replication=1, min_isr=1)
        yield settings
        client = kafka.admin(self.bootstrap_servers)
        there = client.list_topics(timeout=10).topics
        made = [topic for topic in full_names(settings.prefix) if topic in there]
        for deletion in client.delete_topics(made).values() if made else ():
            deletion.result()

    @contextmanager
    def process(
        self, name: str, *module: str, environment: Mapping[str, str], ready: Callable[[], bool]
    ) -> Iterator[None]:
        """One process (`python -m module …`) from when it is ready to its end."""
        command = [sys.executable, "-m", *module]
        self._parts.start(Part(name=name, command=lambda: command, environment=environment, ready=ready))
        try:
            yield
        finally:
            self._parts.stop(name)

    def environment(self, database_url: str, topics: TopicSettings) -> Mapping[str, str]:
        """What the publisher and the projector read."""
        return {
            "DATABASE_URL": database_url,
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "KAFKA_TOPIC_PREFIX": topics.prefix,
            "KAFKA_TOPIC_PARTITIONS": str(topics.partitions),
            "KAFKA_TOPIC_REPLICATION": str(topics.replication),
            "KAFKA_TOPIC_MIN_ISR": str(topics.min_isr),
            "TILLSTREAM_URL": "http://127.0.0.1:8000",  # Stands in the records; nobody is called there.
        }

    @contextmanager
    def publisher(self, database_url: str, topics: TopicSettings, compression: str = "gzip") -> Iterator[None]:
        """The publisher, from when it leads and listens."""

        def listens() -> bool:
            asked = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN %'"
            with psycopg.connect(database_url) as connection:
                return connection.execute(asked).fetchone() is not None

        environment = {**self.environment(database_url, topics), "KAFKA_COMPRESSION": compression}
        with self.process("publisher", "commands", "publisher", environment=environment, ready=listens):
            yield

    @contextmanager
    def projector(self, database_url: str, topics: TopicSettings) -> Iterator[None]:
        """A projector, from when it keeps every partition of every read model. The topics must be there."""

        def projects() -> bool:
            wanted = sum(len(model.topics) for model in READ_MODELS) * topics.partitions
            with psycopg.connect(database_url) as connection:
                row = connection.execute("SELECT count(*) >= %s FROM read.checkpoints", [wanted]).fetchone()
            return row is not None and bool(row[0])

        environment = self.environment(database_url, topics)
        with self.process("projector", "consumers", "projector", environment=environment, ready=projects):
            yield

    @contextmanager
    def empty(self) -> Iterator[int]:
        """A handler that does nothing, behind the same server as the API; gives its port."""
        port = free_port()
        ready = partial(accepts_connections, port)
        with self.process("empty", "benchmarks.empty_handler", environment={"PORT": str(port)}, ready=ready):
            yield port

    @contextmanager
    def api(self, database_url: str) -> Iterator[int]:
        """`python -m api` with its settings as they come; gives its port. Stripe is never called."""
        port = free_port()
        environment = {
            "DATABASE_URL": database_url,
            "TILLSTREAM_PORT": str(port),
            "TILLSTREAM_MASTER_KEY": base64.b64encode(bytes(32)).decode(),
            "TILLSTREAM_OPERATOR_TOKEN": "operator-of-the-benchmark",
            "STRIPE_SECRET_KEY": "sk_test_benchmark",
            "STRIPE_WEBHOOK_SECRET": "whsec_benchmark",
            "STRIPE_API_BASE": f"http://{LOOPBACK}:1",
        }
        with self.process("api", "api", environment=environment, ready=partial(accepts_connections, port)):
            yield port

    def _administer(self, statement: str, *names: str) -> None:
        administration = urlsplit(self._postgres_url)._replace(path="/postgres").geturl()
        with psycopg.connect(administration, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*(sql.Identifier(name) for name in names)))


@contextmanager
def started(logs: Path, say: Callable[[str], None]) -> Iterator[Servers]:
    """Both servers, on data that is gone afterwards; logs of every process in `logs`. Raises `SandboxError`."""
    with tempfile.TemporaryDirectory(prefix="tillstream-bench-") as folder, Supervisor(logs, say) as parts:
        postgres = Postgres(Path(folder) / "postgres", free_port())
        broker = Kafka(Path(folder) / "kafka", free_port(), free_port(), compile_fully=True)
        parts.start(postgres.part(), broker.part())
        try:
            yield Servers(parts, postgres.url, broker.bootstrap_servers)
        except Exception as error:
            raise parts.failure or error from error  # A part that died is the cause of what then went wrong.


def wait_until(
    holds: Callable[[], bool],
    what: str,
    pause: Callable[[], object] = lambda: time.sleep(0.02),
    within_seconds: float = _WITHIN_SECONDS,
) -> None:
    """Return once it holds; asked again after each pause. Raises TimeoutError, with `what`, if not in two minutes."""
    deadline = time.monotonic() + within_seconds
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {within_seconds:g} seconds: {what}")
        pause()
