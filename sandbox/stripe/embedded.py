"""The look-alike in a thread of the process that uses it, for tests."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import uvicorn

from sandbox.stripe.account import Settings
from sandbox.stripe.server import create_app, uvicorn_config

START_SECONDS = 10.0


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    """Serve on a free port of loopback while inside. Yields the address, which replaces the settings' own."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        app = create_app(replace(settings, base_url=address))
        server = uvicorn.Server(uvicorn_config(app))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="stripe look-alike")
        thread.start()
        try:
            _wait_until_started(server)
            yield address
        finally:
            server.should_exit = True
            thread.join()


def _wait_until_started(server: uvicorn.Server) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not server.started:
        if time.monotonic() > deadline:
            raise TimeoutError(f"the Stripe look-alike did not start within {START_SECONDS} s")
        time.sleep(0.01)
