"""What all runs of the crash matrix stand on: a Postgres and a Kafka that die and return, relays before both, the nursery.

The servers are kept, for starting them takes longer than a run; each run gets a database and topics of its own.
"""

import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from confluent_kafka.admin import AdminClient

import migrations
from sandbox import kafka
from sandbox.addresses import LOOPBACK, free_port
from sandbox.environment import Folders
from sandbox.kafka import Kafka
from sandbox.part import Part
from sandbox.platform import SERVICE, Platform
from sandbox.postgres import Postgres
from sandbox.supervisor import Supervisor
from tests.crash import hastened, nursery, steps
from tests.crash.relays import KafkaEar, PostgresEar, Relay, running
from tests.servers import fresh_database

PARTITIONS = 4  # Enough to share out, and quickly made.
SPARES = ("publisher", "projector")  # Of these a second one is alive all the time.
ARMED = ("api", "publisher", "publisher-2", "projector", "projector-2")  # Whose steps can be died at.
UNARMED = ("reconciler", "reactions")
SERVERS = ("postgres", "kafka")


class Ground:
    """Use it as a context."""

    def __init__(self, folder: Path) -> None:
        """The folder's path must be short and open to others: a socket is in it, and Postgres may be another user."""
        self.parts = Supervisor(folder / "logs", say=lambda _: None)
        self.nursery = folder / "nursery"
        self.returning = {name: threading.Lock() for name in SERVERS}  # Held from a server's death until it is back.
        self._postgres = Postgres(folder / "postgres", free_port(), flush_to_disk=False)
        port, relayed_port, controller_port = (free_port() for _ in range(3))
        self.kafka_relay = Relay(free_port(), relayed_port, KafkaEar)
        self._kafka = Kafka(
            folder / "kafka", port, controller_port, settings=self._kafka_settings(port, relayed_port, controller_port)
        )
        self.postgres_relay = Relay(free_port(), urlsplit(self._postgres.url).port or 0, PostgresEar)
        self.server_parts = {part.name: part for part in (self._postgres.part(), self._kafka.part())}
        self._undo = ExitStack()

    def __enter__(self) -> "Ground":
        with ExitStack() as undo:
            undo.enter_context(running(self.kafka_relay, self.postgres_relay))
            undo.enter_context(self.parts)
            # A server that dies is started again, like anything else: here it dies on purpose.
            servers = [replace(part, is_server=False) for part in self.server_parts.values()]
            self.parts.start(nursery.part(self.nursery), *servers)
            template = undo.enter_context(fresh_database(self._postgres.url))
            migrations.up(template)
            self._template = template
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    @property
    def bootstrap_servers(self) -> str:
        return self._kafka.bootstrap_servers

    @contextmanager
    def database(self) -> Iterator[tuple[str, str]]:
        """A database for one run: its address, and its address by the relay."""
        with fresh_database(self._template) as url:
            there = urlsplit(url)
            relayed = there._replace(netloc=there.netloc.replace(f":{there.port}", f":{self.postgres_relay.port}"))
            yield url, relayed.geturl()

    @contextmanager
    def topics(self) -> Iterator[str]:
        """A prefix for the topics of one run. They are deleted, so that Kafka starts as quickly after all runs."""
        prefix = f"crash-{uuid.uuid4().hex[:12]}."
        yield prefix
        admin = AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 0})
        made = [topic for topic in admin.list_topics(timeout=10).topics if topic.startswith(prefix)]
        for deletion in admin.delete_topics(made).values() if made else ():
            deletion.result()

    def _kafka_settings(self, port: int, relayed_port: int, controller_port: int) -> dict[str, str]:
        """With a second listener, whose clients are told to come by the relay."""
        at = f"PLAINTEXT://{LOOPBACK}:{port}"
        return {
            **kafka.SETTINGS,
            **hastened.BROKER,
            "listeners": f"{at},RELAYED://{LOOPBACK}:{relayed_port},CONTROLLER://{LOOPBACK}:{controller_port}",
            "advertised.listeners": f"{at},RELAYED://{LOOPBACK}:{self.kafka_relay.port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,RELAYED:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
        }


class CrashPlatform(Platform):
    """The local platform on this ground: its processes come from the nursery, go by the relays, and take orders to die."""

    def __init__(self, ground: Ground, folder: Path, database_url: str, prefix: str) -> None:
        given = {
            "DATABASE_URL": database_url,
            "KAFKA_BOOTSTRAP_SERVERS": ground.bootstrap_servers,
            "KAFKA_TOPIC_PREFIX": prefix,
        }
        super().__init__(Folders(run=folder / "run", data=folder / "data"), given=given, say=lambda _: None)
        self.ground = ground
        self.ports = {name: free_port() for name in ARMED}  # Where they take their orders.

    def __enter__(self) -> "CrashPlatform":
        super().__enter__()
        try:
            self.parts.start(*(self._armed(replace(self._process(name), after=()), f"{name}-2") for name in SPARES))
        except BaseException:
            self._undo.close()
            raise
        return self

    def answers(self) -> bool:
        """Whether the API can be used."""
        return self._api_is_ready()

    def _kafka(self) -> dict[str, str]:
        return {**super()._kafka(), "KAFKA_TOPIC_PARTITIONS": str(PARTITIONS)}

    def _start(self) -> None:
        self._servers = [self._from_the_nursery(server, server.command()[2:]) for server in self._servers]
        super()._start()

    def _process(self, name: str) -> Part:
        part = self._from_the_nursery(super()._process(name), SERVICE[name].module)
        return self._armed(part, name) if name in ARMED else part

    def _from_the_nursery(self, part: Part, module: Sequence[str]) -> Part:
        command = nursery.command(self.ground.nursery, *module)
        return replace(part, command=lambda: command)

    def _armed(self, part: Part, name: str) -> Part:
        kind = name.removesuffix("-2")
        more = {steps.PORT: str(self.ports[name]), steps.PROCESS: kind}
        if kind == "publisher":
            more["KAFKA_BOOTSTRAP_SERVERS"] = f"{LOOPBACK}:{self.ground.kafka_relay.port}"
        return replace(part, name=name, environment={**part.environment, **more})
