"""The whole product, running: every process as in the local platform, on data of the test run's own."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from sandbox.environment import Folders
from sandbox.platform import Platform
from tests.whole.reading import read_topics
from tests.whole.shop import Shop, register


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("platform")
    with Platform(Folders(run=folder / "run", data=folder / "data"), given={}, say=lambda _: None) as running:
        yield running


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=60, trust_env=False) as client:
        yield client


@pytest.fixture
def shop(platform: Platform, http: httpx.Client) -> Shop:
    """A project of the test's own."""
    return register(platform, http)


@pytest.fixture
def published(platform: Platform) -> Iterator[Any]:
    """Reads every record in Kafka, as a team would that starts from the beginning."""
    with read_topics(platform.environment["KAFKA_BOOTSTRAP_SERVERS"]) as read:
        yield read
