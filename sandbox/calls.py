"""Calls to the running service and to the look-alike, and waiting for what comes of them: what the stories are told with."""

import time
from collections.abc import Callable
from typing import Any, TypeVar
from uuid import uuid4

import httpx

from sandbox.errors import SandboxError

WAIT_SECONDS = 30.0

Call = Callable[..., Any]  # method, path, body or None: what was answered, from JSON
T = TypeVar("T")


class StoryFailed(SandboxError):
    """A step of a story did not come to what it should."""


def caller(http: httpx.Client, url: str, key: str) -> Call:
    """Calls the API with a key, each command once. Waits while it answers that it cannot yet."""

    def call(method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {key}"}
        if method == "POST":
            headers["Idempotency-Key"] = str(uuid4())
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            response = http.request(method, f"{url}{path}", json=body, headers=headers)
            if response.status_code != httpx.codes.SERVICE_UNAVAILABLE or time.monotonic() > deadline:
                return answer(response)
            time.sleep(0.1)  # As the answer says: ask again in a moment.

    return call


def answer(response: httpx.Response) -> Any:
    """What a good answer holds. Raises `StoryFailed` for any other."""
    if response.is_success:
        return response.json()
    raise StoryFailed(f"{response.request.method} {response.url} answered {response.status_code}: {response.text}")


def until(ask: Callable[[], T], enough: Callable[[T], bool], what: str) -> T:
    """Ask until it is enough. Raises `StoryFailed` with what was waited for after thirty seconds."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not enough(found := ask()):
        if time.monotonic() > deadline:
            raise StoryFailed(f"Waited {WAIT_SECONDS:.0f} s for {what}; the last answer was {found}.")
        time.sleep(0.02)
    return found
