"""Answers kept by idempotency key: a retry gets the first answer again, another request under the key is refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sandbox.stripe.clock import Clock
from sandbox.stripe.errors import (
    StripeRefusal,
    key_in_use,
    key_reused_at_other_endpoint,
    key_reused_with_other_parameters,
)
from sandbox.stripe.store import Store

KEPT_SECONDS = 24 * 3600
LONGEST_KEY = 255

TABLES = """
create table if not exists answers (
    key text primary key,
    path text not null,
    fingerprint text not null,
    kept_at real not null,
    request_id text not null,
    status integer not null,
    body text not null
);
"""


@dataclass(frozen=True)
class Attempt:
    """One request under a key."""

    key: str
    path: str
    fingerprint: str

    @classmethod
    def of(cls, key: str, path: str, parameters: Mapping[str, Any]) -> Attempt:
        """Refuses (400) a key that is too long."""
        if len(key) > LONGEST_KEY:
            raise StripeRefusal(400, f"The idempotency key must be at most {LONGEST_KEY} characters long.")
        told = json.dumps(parameters, sort_keys=True).encode()
        return cls(key, path, hashlib.sha256(told).hexdigest())


@dataclass(frozen=True)
class Kept:
    """The first answer to a key, and the request that got it."""

    status: int
    body: dict[str, Any]
    request_id: str


class Idempotency:
    """24 hours of answers, and the keys being worked on right now (these die with the process, as they should)."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._connection = store.connection
        self._clock = clock
        self._running: set[str] = set()
        self._connection.executescript(TABLES)

    def replay(self, attempt: Attempt) -> Kept | None:
        """The answer kept for this very request. Refuses the key of another request, or one still running."""
        if attempt.key in self._running:
            raise key_in_use(attempt.key)
        row = self._connection.execute(
            "select path, fingerprint, status, body, request_id from answers where key = ? and kept_at > ?",
            (attempt.key, self._clock.now() - KEPT_SECONDS),
        ).fetchone()
        if row is None:
            return None
        path, fingerprint, status, body, request_id = row
        if path != attempt.path:
            raise key_reused_at_other_endpoint(attempt.key, attempt.path, path)
        if fingerprint != attempt.fingerprint:
            raise key_reused_with_other_parameters(attempt.key)
        return Kept(status, json.loads(body), request_id)

    @contextmanager
    def running(self, attempt: Attempt) -> Iterator[None]:
        self._running.add(attempt.key)
        try:
            yield
        finally:
            self._running.discard(attempt.key)

    def keep(self, attempt: Attempt, answer: Kept) -> None:
        """Call this in the transaction that carries the request out."""
        self._connection.execute(
            "insert or replace into answers values (?, ?, ?, ?, ?, ?, ?)",
            (
                attempt.key,
                attempt.path,
                attempt.fingerprint,
                self._clock.now(),
                answer.request_id,
                answer.status,
                json.dumps(answer.body),
            ),
        )
