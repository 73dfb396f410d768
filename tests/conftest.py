"""Fixtures that every test can ask for: real databases and real topics."""

import gc
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from coverage import Coverage

from tests.servers import OwnServers, Servers, ServersElsewhere, fresh_database, fresh_prefix, serve

pytest_plugins = ["tests.lookalike"]

TESTS = Path(__file__).parent
LONGEST = ("whole", "crash", "docs", "consumers", "commands/publisher", "projections")  # They start processes and wait.
MEASURED = ("commands", "domain")  # What must be covered is covered by its own tests.

OWN = pytest.StashKey[OwnServers]()


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.stash[OWN] = OwnServers()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that workers do not wait for each other at the end."""
    first = [TESTS / folder for folder in LONGEST]
    items.sort(key=lambda item: next((n for n, folder in enumerate(first) if folder in item.path.parents), len(first)))


def pytest_collection_finish() -> None:
    """What was collected stays until the end: the garbage collector need not look through it again and again."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist whom to ask."""
    node.workerinput["servers"] = serve(node.config.stash[OWN])


def pytest_unconfigure(config: pytest.Config) -> None:
    if (servers := config.stash.get(OWN, None)) is not None:
        servers.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Measure coverage by the tests that are there for it: to measure others, too, would take a quarter of their time."""
    measuring = Coverage.current()
    if measuring is None or any(TESTS / folder in item.path.parents for folder in MEASURED):
        return (yield)
    asked = {name: os.environ.pop(name) for name in [*os.environ] if name.startswith("COVERAGE_PROCESS_")}
    measuring.stop()
    try:
        return (yield)
    finally:
        measuring.start()
        os.environ.update(asked)


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
    with fresh_prefix(kafka_bootstrap) as prefix:
        yield prefix
