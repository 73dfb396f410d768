"""Postgres and Kafka for the tests: one of each for the whole run, started when a test first asks for it.

With pytest-xdist the controlling process owns the servers and its workers ask it for addresses, so the workers share
them. In order of preference: what DATABASE_URL and KAFKA_BOOTSTRAP_SERVERS name, a Docker engine that answers, and
the local platform's own embedded servers.
"""

import os
import shutil
import socket
import tempfile
import threading
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import psycopg
from confluent_kafka.admin import AdminClient
from psycopg import sql

import migrations
from sandbox.addresses import LOOPBACK, free_port
from sandbox.kafka import Kafka
from sandbox.postgres import Postgres
from sandbox.supervisor import Supervisor

DOCKER_SOCKET = "/var/run/docker.sock"
MEMORY, ROOM_BYTES = Path("/dev/shm"), 4 * 2**30


class Servers(Protocol):
    """Where the tests' servers are. Asking starts what does not run yet."""

    def address(self, what: str) -> str:
        """The address of `postgres`, `template` (a migrated database to copy) or `kafka`."""
        ...


class OwnServers:
    """The servers of this process, until `close`. May be asked from several threads at once."""

    def __init__(self) -> None:
        self._undo = ExitStack()
        self._starters = {"postgres": _start_postgres, "template": self._make_template, "kafka": _start_kafka}
        self._addresses: dict[str, str] = {}
        self._asking = {what: threading.Lock() for what in self._starters}

    def address(self, what: str) -> str:
        with self._asking[what]:
            if what not in self._addresses:
                self._addresses[what] = self._starters[what](self._undo)
            return self._addresses[what]

    def close(self) -> None:
        self._undo.close()

    def _make_template(self, undo: ExitStack) -> str:
        template = undo.enter_context(_database(self.address("postgres"), "TEMPLATE template1"))
        migrations.up(template)
        return template


class ServersElsewhere:
    """The servers of another process, which serves them with `serve`."""

    def __init__(self, host: str, port: int, key: bytes) -> None:
        self._place = (host, port)
        self._key = key

    def address(self, what: str) -> str:
        with Client(self._place, authkey=self._key) as connection:
            connection.send(what)
            answer: str | Exception = connection.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer


def serve(servers: Servers) -> tuple[str, int, bytes]:
    """Answer for these servers until the process ends. Returns what ServersElsewhere needs to ask."""
    key = os.urandom(32)
    listener = Listener((LOOPBACK, 0), authkey=key)

    def accept() -> None:
        while True:
            connection = listener.accept()
            threading.Thread(target=_answer, args=(servers, connection), daemon=True).start()

    threading.Thread(target=accept, name="test servers", daemon=True).start()
    host, port = listener.address
    return str(host), int(port), key


@contextmanager
def fresh_database(template: str) -> Iterator[str]:
    """A copy of the template database, dropped at the end together with whatever is still connected to it."""
    with _database(template, f"TEMPLATE {_name_of(template)}") as url:
        yield url


@contextmanager
def fresh_prefix(kafka_bootstrap: str) -> Iterator[str]:
    """A prefix for topics that nobody else uses. What was made under it is deleted at the end."""
    prefix = f"test-{uuid.uuid4().hex[:12]}."
    yield prefix
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    made = [topic for topic in admin.list_topics(timeout=10).topics if topic.startswith(prefix)]
    for deletion in admin.delete_topics(made).values() if made else ():
        deletion.result()


def _answer(servers: Servers, connection: "Connection[str | Exception, str]") -> None:
    with connection:
        try:
            connection.send(servers.address(connection.recv()))
        except Exception as error:
            connection.send(RuntimeError(f"{type(error).__name__}: {error}"))


@contextmanager
def _database(server: str, options: str) -> Iterator[str]:
    name = f"tillstream_test_{uuid.uuid4().hex}"
    administration = urlsplit(server)._replace(path="/postgres").geturl()
    with psycopg.connect(administration, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} " + options).format(sql.Identifier(name)))
    try:
        yield urlsplit(server)._replace(path=f"/{name}").geturl()
    finally:
        with psycopg.connect(administration, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _name_of(url: str) -> str:
    return urlsplit(url).path.removeprefix("/")


def _start_postgres(undo: ExitStack) -> str:
    if given := os.environ.get("DATABASE_URL"):
        return given
    if _docker_answers():
        from tests import containers  # Takes most of a second to import.

        return undo.enter_context(containers.postgres())
    server = Postgres(_temporary_folder(undo), free_port(), flush_to_disk=False)
    _supervisor(undo).start(server.part())
    return server.url


def _start_kafka(undo: ExitStack) -> str:
    if given := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        return given
    if _docker_answers():
        from tests import containers

        return undo.enter_context(containers.kafka())
    server = Kafka(_temporary_folder(undo), free_port(), free_port())
    _supervisor(undo).start(server.part())
    return server.bootstrap_servers


def _temporary_folder(undo: ExitStack) -> Path:
    """In memory where there is room for it: there a database is copied in a tenth of the time."""
    has_room = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ROOM_BYTES
    place = MEMORY if has_room else None
    return Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="tillstream-tests-", dir=place)))


def _supervisor(undo: ExitStack) -> Supervisor:
    return undo.enter_context(Supervisor(_temporary_folder(undo)))


def _docker_answers() -> bool:
    if "DOCKER_HOST" in os.environ:
        return True
    with socket.socket(socket.AF_UNIX) as engine:
        return engine.connect_ex(DOCKER_SOCKET) == 0
