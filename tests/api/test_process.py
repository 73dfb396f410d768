"""The process itself: it says what it lacks, serves, and leaves when it is told to."""

import base64
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.api.conftest import STRIPE_KEY, WEBHOOK_SECRET
from tests.api.shop import OPERATOR, OPERATOR_TOKEN, PROJECT


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def environment(database_url: str, stripe_address: str) -> dict[str, str]:
    port = free_port()
    return {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": database_url,
        "TILLSTREAM_MASTER_KEY": base64.b64encode(b"k" * 32).decode(),
        "TILLSTREAM_OPERATOR_TOKEN": OPERATOR_TOKEN,
        "TILLSTREAM_PORT": str(port),
        "TILLSTREAM_URL": f"http://127.0.0.1:{port}",
        "STRIPE_API_BASE": stripe_address,
        "STRIPE_SECRET_KEY": STRIPE_KEY,
        "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
    }


@contextmanager
def running(environment: dict[str, str]) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen([sys.executable, "-m", "api"], env=environment, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_until_ready(url: str, process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/health/ready").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError("the API did not come up")


def test_it_serves_until_it_is_told_to_stop(environment: dict[str, str]) -> None:
    url = environment["TILLSTREAM_URL"]
    with running(environment) as process:
        wait_until_ready(url, process)
        registered = httpx.post(f"{url}/api/v1/projects", json=PROJECT, headers=OPERATOR)
        assert registered.status_code == 201
        assert registered.json()["environment_variables"]["TILLSTREAM_URL"] == url

        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=15)

    assert process.returncode == 0, output
    assert "Traceback" not in output
    assert '"route": "/api/v1/projects"' in output


def test_it_says_all_that_is_wrong_with_its_variables_at_once(environment: dict[str, str]) -> None:
    wrong = {
        "DATABASE_URL": "",
        "TILLSTREAM_MASTER_KEY": "c2hvcnQ=",
        "TILLSTREAM_OPERATOR_TOKEN": "guess",
        "STRIPE_WEBHOOK_SECRET": ",",
    }
    with running({**environment, **wrong}) as process:
        output, _ = process.communicate(timeout=15)

    assert process.returncode == 1
    assert all(f"{variable}: " in output for variable in wrong)
    assert "Traceback" not in output
    assert "guess" not in output


def test_it_says_which_server_it_misses_and_how_to_start_it(environment: dict[str, str]) -> None:
    nowhere = f"postgresql://postgres@127.0.0.1:{free_port()}/postgres"
    with running({**environment, "DATABASE_URL": nowhere, "TILLSTREAM_STARTUP_SECONDS": "1"}) as process:
        output, _ = process.communicate(timeout=15)

    assert process.returncode == 1
    assert "Postgres does not answer" in output
    assert "make up" in output
    assert "Traceback" not in output
