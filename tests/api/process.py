"""The API as a process of its own."""

import base64
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

import httpx

from tests.api.shop import OPERATOR_TOKEN
from tests.sandbox.stripe.lookalike import API_KEY, WEBHOOK_SECRET


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def environment_of(database_url: str, stripe_address: str) -> dict[str, str]:
    """All that the process reads, and a free port."""
    port = free_port()
    return {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": database_url,
        "TILLSTREAM_MASTER_KEY": base64.b64encode(b"k" * 32).decode(),
        "TILLSTREAM_OPERATOR_TOKEN": OPERATOR_TOKEN,
        "TILLSTREAM_PORT": str(port),
        "TILLSTREAM_URL": f"http://127.0.0.1:{port}",
        "STRIPE_API_BASE": stripe_address,
        "STRIPE_SECRET_KEY": API_KEY,
        "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
    }


@dataclass(frozen=True)
class Process:
    """A running `python -m api`. Its output goes to a file: a pipe that nobody reads would stop it once it is full."""

    popen: "subprocess.Popen[bytes]"
    output: IO[bytes]

    def end(self) -> tuple[int, str]:
        """Wait for its end. Its status, and all that it wrote."""
        status = self.popen.wait(timeout=15)
        self.output.seek(0)
        return status, self.output.read().decode()

    def wait_until_ready(self, url: str) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.popen.poll() is None:
            try:
                if httpx.get(f"{url}/health/ready").status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError("the API did not come up")


@contextmanager
def running(environment: dict[str, str]) -> Iterator[Process]:
    with tempfile.TemporaryFile() as output:
        popen = subprocess.Popen([sys.executable, "-m", "api"], env=environment, stdout=output)
        try:
            yield Process(popen, output)
        finally:
            popen.kill()
            popen.wait()
