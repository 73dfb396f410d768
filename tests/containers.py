"""Postgres and Kafka in containers, for test runs where a Docker engine answers."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from testcontainers.core.container import DockerContainer

import sandbox.kafka
import sandbox.postgres
from sandbox.addresses import free_port


@contextmanager
def postgres() -> Iterator[str]:
    """A PostgreSQL 18 that does not flush to disk: the URL of its database."""
    port = free_port()
    container = DockerContainer("postgres:18").with_bind_ports(5432, port)
    container.with_envs(POSTGRES_USER="tillstream", POSTGRES_PASSWORD="tillstream", POSTGRES_DB="tillstream")
    with container.with_command("-c fsync=off -c max_connections=200"):
        url = f"postgresql://tillstream:tillstream@{container.get_container_host_ip()}:{port}/tillstream"
        _wait_for(lambda: sandbox.postgres.answers(url), "the Postgres container")
        yield url


@contextmanager
def kafka() -> Iterator[str]:
    """A Kafka with the settings of the local platform: its bootstrap servers."""
    port = free_port()
    container = DockerContainer("apache/kafka:4.1.0").with_bind_ports(9092, port)
    bootstrap_servers = f"{container.get_container_host_ip()}:{port}"
    settings = {
        **sandbox.kafka.SETTINGS,
        "listeners": "PLAINTEXT://:9092,CONTROLLER://:9093",
        "advertised.listeners": f"PLAINTEXT://{bootstrap_servers}",
        "controller.quorum.voters": "1@localhost:9093",
    }
    for name, value in settings.items():
        container.with_env(f"KAFKA_{name.upper().replace('.', '_')}", value)
    with container:
        _wait_for(lambda: sandbox.kafka.answers(bootstrap_servers), "the Kafka container")
        yield bootstrap_servers


def _wait_for(answers: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not answers():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not answer within a minute")
        time.sleep(0.1)
