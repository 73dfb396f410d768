"""What must be true after any run: nothing lost, nothing doubled, no gap, one chain, Kafka as the store, rows as the log."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping

import psycopg

from schemas import codec
from tests.crash.play import ArmedPlatform, Story
from tests.whole.reading import read_topics
from tests.whole.test_faults import check_log

_CAUGHT_UP_WITHIN_SECONDS = 180.0


def check(platform: ArmedPlatform, story: Story) -> None:
    """Raises AssertionError with what is wrong."""
    url = platform.environment["DATABASE_URL"]
    _wait_until_published(url)
    _check_commands(url, story)
    with read_topics(platform.environment["KAFKA_BOOTSTRAP_SERVERS"]) as records:
        check_log(records(), url)
    _check_read_models(platform.environment)


def _wait_until_published(url: str) -> None:
    deadline = time.monotonic() + _CAUGHT_UP_WITHIN_SECONDS
    while True:
        try:
            with psycopg.connect(url) as connection:
                row = connection.execute(
                    "SELECT (SELECT count(*) FROM store.outbox)"
                    " + (SELECT coalesce(max(position), 0) FROM store.positions) - (SELECT published FROM store.publisher)"
                ).fetchone()
            if row == (0,):
                return
        except psycopg.OperationalError:
            row = None
        assert time.monotonic() < deadline, f"facts that Kafka still lacks: {row}"
        time.sleep(0.2)


def _check_commands(url: str, story: Story) -> None:
    """Each answered command has its one fact, and there is no fact besides: also none of a command that died unanswered."""
    with psycopg.connect(url) as connection:
        payloads = connection.execute("SELECT payload FROM store.events WHERE type = 'credits.granted'").fetchall()
    recorded = [getattr(codec.decode(payload).event, "entry_id", "") for (payload,) in payloads]
    assert len(recorded) == len(set(recorded)), "a command was recorded twice"
    assert sorted(recorded) == sorted(story.answered.values()), "answers and facts are not the same commands"


def _check_read_models(environment: Mapping[str, str]) -> None:
    """A replay from the store builds every read model anew and finds each row equal to the live one."""
    done = subprocess.run(
        [sys.executable, "-m", "projections", "replay", "--all", "--source", "store"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=_CAUGHT_UP_WITHIN_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Every row is equal" in done.stdout, done.stdout
