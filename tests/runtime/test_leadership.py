"""Leadership on a real Postgres: one leads, the next one follows, and who shows no life is relieved."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from runtime import leadership
from runtime.leadership import Leadership, LeadershipLost
from runtime.process import Stop

PATIENCE_SECONDS = 1.0


@pytest.fixture
def stop() -> Iterator[Stop]:
    asked = Stop()
    yield asked
    asked.set()


@pytest.fixture
def lead(database_url: str, stop: Stop) -> Iterator[Callable[[], Leadership]]:
    """Lead under one name; given up at the end."""
    held: list[Leadership] = []

    def wait() -> Leadership:
        found = leadership.wait(database_url, "test", stop, PATIENCE_SECONDS)
        assert found is not None, "nobody asked to stop"
        held.append(found)
        return found

    yield wait
    for each in held:
        each.close()


def test_a_spare_leads_once_the_leader_gives_up(lead: Callable[[], Leadership]) -> None:
    with ThreadPoolExecutor(1) as executor:
        leader = lead()
        spare = executor.submit(lead)
        time.sleep(0.5)
        waited = not spare.done()
        leader.close()
        spare.result(5).confirm()

    assert waited


def test_other_names_have_other_leaders(lead: Callable[[], Leadership], database_url: str, stop: Stop) -> None:
    lead()

    with leadership.wait(database_url, "another", stop) or pytest.fail("it should lead") as other:
        other.confirm()


def test_a_spare_that_is_asked_to_stop_stops_waiting(lead: Callable[[], Leadership], database_url: str) -> None:
    lead()
    asked = Stop()
    threading.Timer(0.2, asked.set).start()

    assert leadership.wait(database_url, "test", asked, PATIENCE_SECONDS) is None


def test_a_leader_that_shows_life_stays(lead: Callable[[], Leadership]) -> None:
    leader = lead()

    time.sleep(2.5 * PATIENCE_SECONDS)

    leader.confirm()


def test_a_leader_whose_session_is_ended_learns_it(lead: Callable[[], Leadership], database_url: str) -> None:
    leader = lead()
    with psycopg.connect(database_url, autocommit=True) as connection:
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tillstream test leadership'"
        connection.execute(end + " AND datname = current_database()")

    deadline = time.monotonic() + 5
    with pytest.raises(LeadershipLost, match="The leadership of the test is lost"):  # noqa: PT012
        while time.monotonic() < deadline:
            leader.confirm()
            time.sleep(0.05)


LEADER = f"""
import sys, time
from runtime import leadership
from runtime.process import Stop
held = leadership.wait(sys.argv[1], "test", Stop(), {PATIENCE_SECONDS})
print("leading", flush=True)
while True:
    time.sleep(0.05)
    held.confirm()
"""


@pytest.fixture
def leader_elsewhere(database_url: str) -> Iterator["subprocess.Popen[Any]"]:
    """A process that leads, until it is killed."""
    command = [sys.executable, "-c", LEADER, database_url]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == "leading\n"
    with process:
        yield process
        process.kill()


def test_a_frozen_leader_is_relieved_and_learns_it_when_it_wakes_up(
    leader_elsewhere: "subprocess.Popen[Any]", lead: Callable[[], Leadership]
) -> None:
    os.kill(leader_elsewhere.pid, signal.SIGSTOP)

    lead().confirm()
    os.kill(leader_elsewhere.pid, signal.SIGCONT)

    assert leader_elsewhere.wait(10) == 1
    assert "LeadershipLost: The leadership of the test is lost" in leader_elsewhere.stderr.read()  # type: ignore[union-attr]


def test_a_killed_leader_is_followed_at_once(
    leader_elsewhere: "subprocess.Popen[Any]", lead: Callable[[], Leadership]
) -> None:
    leader_elsewhere.kill()

    started = time.monotonic()
    lead().confirm()

    assert time.monotonic() - started < 5
