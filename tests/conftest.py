"""Fixtures that every test can ask for: real databases and real topics."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient

from tests.servers import OwnServers, Servers, ServersElsewhere, fresh_database, serve

pytest_plugins = ["tests.lookalike"]

OWN = pytest.StashKey[OwnServers]()


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.stash[OWN] = OwnServers()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist whom to ask."""
    node.workerinput["servers"] = serve(node.config.stash[OWN])


def pytest_unconfigure(config: pytest.Config) -> None:
    if (servers := config.stash.get(OWN, None)) is not None:
        servers.close()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how many orders of webhooks were tried, and of which lives: `tests.orders` notes them."""
    properties = [entry for report in terminalreporter.getreports("passed") for entry in report.user_properties]
    tried = [str(value) for name, value in properties if name == "orders"]
    if tried:
        total = sum(int(life.partition(" ")[0]) for life in tried)
        terminalreporter.write_line(f"Orders of webhooks that end alike: {total} ({', '.join(tried)})")


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> Servers:
    """The run's servers, none of them started yet."""
    if hasattr(request.config, "workerinput"):
        return ServersElsewhere(*request.config.workerinput["servers"])
    return request.config.stash[OWN]


@pytest.fixture(scope="session")
def postgres_url(servers: Servers) -> str:
    """A PostgreSQL server where we may do everything, as the URL of a database that holds nothing of ours."""
    return servers.address("postgres")


@pytest.fixture(scope="session")
def migrated_template(servers: Servers) -> str:
    """A database with all migrations, only ever copied."""
    return servers.address("template")


@pytest.fixture
def database_url(migrated_template: str) -> Iterator[str]:
    """A database of the test's own, with all migrations and no rows."""
    with fresh_database(migrated_template) as url:
        yield url


@pytest.fixture(scope="session")
def kafka_bootstrap(servers: Servers) -> str:
    """A Kafka, shared: use `topic_prefix` for what you make there."""
    return servers.address("kafka")


@pytest.fixture
def topic_prefix(kafka_bootstrap: str) -> Iterator[str]:
    """A prefix for topics that no other test uses; topics of that name are deleted afterwards."""
    prefix = f"test-{uuid.uuid4().hex[:12]}."
    yield prefix
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    made = [topic for topic in admin.list_topics(timeout=10).topics if topic.startswith(prefix)]
    for deletion in admin.delete_topics(made).values() if made else ():
        deletion.result()
