"""The short form of the crash matrix (`make crash` is the long one), and that what it is made of does what it says."""

import os
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import Connection
from psycopg.errors import UniqueViolation

from sandbox.addresses import free_port
from tests.crash.ground import Ground
from tests.crash.play import Story, play, troubles_for
from tests.crash.relays import PostgresEar, Relay, running
from tests.crash.steps import STEPS, watch
from tests.crash.troubles import TROUBLES, deal, each_step_once

COMMANDS = int(os.environ.get("TILLSTREAM_TEST_CRASH_COMMANDS", "300"))


@pytest.mark.timeout(600)
def test_a_run_in_which_each_step_is_died_at_and_each_answer_lost_loses_and_doubles_nothing() -> None:
    seed = random.randrange(10**6)
    story = Story(seed)
    sys.stdout.write(f"python -m tests.crash --short --commands {COMMANDS} --seed {seed}\n")  # Shown where it fails.

    with tempfile.TemporaryDirectory(prefix="crash-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # Postgres runs as another user where we are root.
        with Ground(Path(folder)) as ground:
            play(ground, story, COMMANDS, each_step_once(seed), Path(folder) / "run")

    assert story.commands >= COMMANDS
    assert [str(happened) for happened in story.happened if not happened.struck] == []


def test_in_a_hundred_runs_every_trouble_comes_up_again_and_again_whatever_the_first_seed() -> None:
    first, count = random.randrange(10**6), troubles_for(2_000)

    often = Counter(trouble.kind for seed in range(first, first + 100) for trouble in deal(seed, count))

    assert all(often[trouble.kind] >= 5 for trouble in TROUBLES), often
    assert deal(first, count) == deal(first, count)


@pytest.fixture
def untouched() -> Iterator[None]:
    """Take back whatever a test has wrapped, in all modules."""
    before = {name: dict(vars(module)) for name, module in sys.modules.items() if module is not None}
    senders = {}
    for name in ("commands.publisher.sending",):
        __import__(name)
        senders[name] = dict(vars(sys.modules[name].Sender))
    yield
    for name, attributes in before.items():
        for key, value in attributes.items():
            if name in sys.modules and vars(sys.modules[name]).get(key) is not value:
                setattr(sys.modules[name], key, value)
    for name, members in senders.items():
        for key in ("hand_over",):
            setattr(sys.modules[name].Sender, key, members[key])


@pytest.mark.parametrize("step", list(STEPS))
def test_every_step_is_where_the_product_takes_it(step: str, untouched: None) -> None:
    watch(STEPS[step], lambda: None)


@pytest.fixture
def relay(database_url: str) -> Iterator[Relay]:
    relay = Relay(free_port(), urlsplit(database_url).port or 5432, PostgresEar)
    with running(relay):
        yield relay


@pytest.fixture
def relayed(database_url: str, relay: Relay) -> Iterator[Connection[Any]]:
    """A connection by the relay, to a table of which keys are looked at when a transaction commits."""
    there = urlsplit(database_url)
    url = there._replace(netloc=there.netloc.replace(f":{there.port}", f":{relay.port}")).geturl()
    with psycopg.connect(url, application_name="test") as connection:
        connection.execute("CREATE TABLE noted (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
        connection.commit()
        yield connection


def _noted(database_url: str) -> list[int]:
    with psycopg.connect(database_url) as connection:
        return [id for (id,) in connection.execute("SELECT id FROM noted ORDER BY id")]


def _note(connection: Connection[Any], id: int, *, pipelined: bool = False) -> None:
    with connection.pipeline() if pipelined else nullcontext(), connection.transaction():
        connection.execute("INSERT INTO noted VALUES (%s)", [id])


@pytest.mark.parametrize("pipelined", [False, True])
def test_a_relay_loses_the_answer_to_a_commit_and_not_the_commit(
    relay: Relay, relayed: Connection[Any], database_url: str, pipelined: bool
) -> None:
    with relay.lose(lambda name, _: name == "test") as lost, pytest.raises(psycopg.OperationalError):
        _note(relayed, 1, pipelined=pipelined)

    assert lost.is_set()
    assert _noted(database_url) == [1]


def test_a_relay_passes_on_that_a_commit_was_refused_and_loses_the_next_answer(
    relay: Relay, relayed: Connection[Any], database_url: str
) -> None:
    _note(relayed, 1)
    with relay.lose(lambda name, _: name == "test") as lost:
        with pytest.raises(UniqueViolation):
            _note(relayed, 1)
        assert not lost.is_set()

        with pytest.raises(psycopg.OperationalError):
            _note(relayed, 2)

    assert _noted(database_url) == [1, 2]


def test_a_relay_leaves_others_alone(relay: Relay, relayed: Connection[Any], database_url: str) -> None:
    with relay.lose(lambda name, _: name == "another") as lost:
        _note(relayed, 1)

    assert not lost.is_set()
    assert _noted(database_url) == [1]
