"""`python -m sandbox`, run as a person runs it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sandbox import kafka, postgres
from sandbox.environment import CHECKOUT


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder that is a checkout of its own to the local platform: the code is ours, `.run` is not."""
    (tmp_path / "sandbox").symlink_to(CHECKOUT / "sandbox")
    return tmp_path


@contextmanager
def running(checkout: Path, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "sandbox", *arguments]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, cwd=checkout, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def told(process: "subprocess.Popen[str]", variable: str) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(f"{variable}="):
            return line.removeprefix(f"{variable}=").strip()
    raise AssertionError(f"it ended without telling {variable}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_postgres_alone_tells_its_address_and_runs_until_it_is_asked_to_stop(
    checkout: Path, number: signal.Signals
) -> None:
    with running(checkout, "postgres") as process:
        url = told(process, "DATABASE_URL")
        assert postgres.answers(url)

        process.send_signal(number)

        assert process.wait(30) == 0
        assert not postgres.answers(url)


def test_kafka_alone_tells_its_address_and_runs_until_it_is_asked_to_stop(checkout: Path) -> None:
    with running(checkout, "kafka") as process:
        bootstrap_servers = told(process, "KAFKA_BOOTSTRAP_SERVERS")
        assert kafka.answers(bootstrap_servers)

        process.send_signal(signal.SIGINT)

        assert process.wait(30) == 0
        assert not kafka.answers(bootstrap_servers)


def test_killing_it_takes_its_server_with_it(checkout: Path) -> None:
    with running(checkout, "postgres") as process:
        url = told(process, "DATABASE_URL")
        process.kill()
        process.wait()

        deadline = time.monotonic() + 10
        while postgres.answers(url):
            assert time.monotonic() < deadline, "the server is still there"
            time.sleep(0.05)


def test_what_prevents_a_start_is_one_sentence(checkout: Path) -> None:
    environment = {**os.environ, "STRIPE_API_BASE": "http://127.0.0.1:9"}
    environment.pop("STRIPE_SECRET_KEY", None)

    done = subprocess.run(
        [sys.executable, "-m", "sandbox", "up", "--port", "0"],
        check=False,
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 1
    assert "STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET must be set too" in done.stderr
    assert "Traceback" not in done.stderr
