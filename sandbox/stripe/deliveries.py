"""Webhooks on their way: signed, retried, kept over a restart."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import httpx

from sandbox.stripe.generations import unknown_types
from sandbox.stripe.ids import random_text
from sandbox.stripe.losses import is_lost
from sandbox.stripe.store import JsonObject, Store

TABLES = """
create table if not exists deliveries (
    id integer primary key autoincrement,
    event text not null,
    type text not null,
    endpoint text not null,
    body text not null,
    state text not null,
    attempts integer not null default 0,
    due real not null,
    outcome text
);
create index if not exists deliveries_waiting on deliveries (due) where state = 'waiting';
create index if not exists deliveries_by_event on deliveries (event);
"""

RETRY_MINUTES = (1, 5, 25)
TIMEOUT_SECONDS = 10.0
AT_ONCE = 8
LONGEST_SLEEP_SECONDS = 0.5


@dataclass(frozen=True)
class Delivery:
    """One event on its way to one endpoint. State: waiting, delivered, failed (given up) or dropped."""

    id: int
    event: str
    type: str
    endpoint: str
    body: str
    state: str
    attempts: int
    due: float
    outcome: str | None  # What the endpoint answered last, as a status or as the error met

    def shown(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "body"}


class Deliveries:
    """Sends what is waiting, oldest first, several at once; an endpoint that does not answer 2xx is tried again.

    `minute_seconds` is how long one of Stripe's minutes lasts here, so that a retry is seen within seconds. Deliveries
    go by the time of day: moving the look-alike's clock neither hastens nor strands them.
    """

    def __init__(self, store: Store, minute_seconds: float) -> None:
        self._store = store
        self._minute_seconds = minute_seconds
        self._changed = asyncio.Event()
        self._under_way: dict[int, asyncio.Task[str]] = {}
        store.connection.executescript(TABLES)

    # Writing down what is to be sent. Called in the transaction that makes the event.

    def announce(self, event: JsonObject, data_in: Callable[[str], JsonObject]) -> int:
        """Address an event to every endpoint that wants its type. Returns how many do.

        `data_in` renders what the event is about in an API version: each endpoint gets its own.
        """
        enabled = self._store.every("webhook_endpoint", status="enabled")
        endpoints = [endpoint for endpoint in enabled if wants(endpoint, event["type"])]
        for endpoint in endpoints:
            version = endpoint["api_version"]
            addressed = event | {"api_version": version, "data": data_in(version), "pending_webhooks": len(endpoints)}
            state, outcome = ("dropped", "lost") if is_lost(self._store, event["type"]) else ("waiting", None)
            self._store.connection.execute(
                "insert into deliveries (event, type, endpoint, body, state, due, outcome) values (?, ?, ?, ?, ?, ?, ?)",
                (event["id"], event["type"], endpoint["id"], json.dumps(addressed), state, time.time(), outcome),
            )
        self.look_again()
        return len(endpoints)

    def look_again(self) -> None:
        """Something is waiting that was not before."""
        self._changed.set()

    # Sending.

    async def run(self) -> None:
        async with caller() as client:
            try:
                while True:
                    self._changed.clear()
                    self._start_what_is_due(client)
                    await self._sleep()
            finally:  # What is on its way is sent again after the next start.
                for task in self._under_way.values():
                    task.cancel()

    def _start_what_is_due(self, client: httpx.AsyncClient) -> None:
        if self.held:
            return
        room = AT_ONCE - len(self._under_way)
        for delivery in self._select("state = 'waiting' and due <= ? order by id limit ?", time.time(), 2 * AT_ONCE):
            if room > 0 and delivery.id not in self._under_way:
                room -= 1
                task = asyncio.create_task(self.send(client, delivery))
                self._under_way[delivery.id] = task
                task.add_done_callback(partial(self._arrived, delivery.id))

    def _arrived(self, id: int, task: asyncio.Task[str]) -> None:
        del self._under_way[id]
        self.look_again()
        if not task.cancelled():
            task.result()

    async def _sleep(self) -> None:
        row = self._store.connection.execute("select min(due) from deliveries where state = 'waiting'").fetchone()
        wait = LONGEST_SLEEP_SECONDS if row[0] is None or self.held else row[0] - time.time()
        if self._under_way:
            wait = LONGEST_SLEEP_SECONDS
        # Not `wait_for`: Python 3.11's forgets that it was canceled when the event is set at the same moment.
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.001, min(wait, LONGEST_SLEEP_SECONDS))):
                await self._changed.wait()

    async def send(self, client: httpx.AsyncClient, delivery: Delivery) -> str:
        """One attempt, and what came of it."""
        endpoint = self._store.find(delivery.endpoint)
        if endpoint is None:
            outcome = "endpoint deleted"
            self._write_down(delivery, "dropped", outcome)
            return outcome
        secret = self._store.hidden(delivery.endpoint)["secret"]
        outcome = await post(client, endpoint["url"], delivery.body, secret)
        with self._store.transaction():
            if outcome.startswith("2"):
                self._write_down(delivery, "delivered", outcome)
                self._count_down(delivery.event)
            else:
                self._try_again(delivery, outcome)
        return outcome

    def _try_again(self, delivery: Delivery, outcome: str) -> None:
        if delivery.attempts >= len(RETRY_MINUTES):
            self._write_down(delivery, "failed", outcome)
            return
        due = time.time() + RETRY_MINUTES[delivery.attempts] * self._minute_seconds
        self._write_down(delivery, "waiting", outcome, due)

    def _write_down(self, delivery: Delivery, state: str, outcome: str, due: float | None = None) -> None:
        self._store.connection.execute(
            "update deliveries set state = ?, outcome = ?, attempts = ?, due = ? where id = ?",
            (state, outcome, delivery.attempts + 1, due if due is not None else delivery.due, delivery.id),
        )

    def _count_down(self, event_id: str) -> None:
        pending = "max(0, json_extract(body, '$.pending_webhooks') - 1)"
        sql = f"update objects set body = json_set(body, '$.pending_webhooks', {pending}) where id = ?"  # noqa: S608 - ours
        self._store.connection.execute(sql, (event_id,))

    # For whoever disturbs them.

    @property
    def held(self) -> bool:
        return self._store.note("deliveries_held") == "yes"

    def hold(self, held: bool) -> None:
        """While they are held, nothing is sent by itself."""
        self._store.write_note("deliveries_held", "yes" if held else "no")
        self.look_again()

    def waiting(self) -> list[Delivery]:
        """What waits, oldest first, without what is on its way at this moment."""
        return [
            delivery for delivery in self._select("state = 'waiting' order by id") if delivery.id not in self._under_way
        ]

    def count_waiting(self) -> int:
        """How many wait or are on their way."""
        row = self._store.connection.execute("select count(*) from deliveries where state = 'waiting'").fetchone()
        return int(row[0])

    def of(self, event: str) -> list[Delivery]:
        return self._select("event = ? order by id", event)

    def lose(self, lost: Sequence[Delivery]) -> None:
        """They never arrive."""
        for delivery in lost:
            self._write_down(delivery, "dropped", "dropped by a test")

    async def send_again(self, client: httpx.AsyncClient, delivery: Delivery) -> str:
        """Once more, freshly signed, whatever came of it before: this changes nothing of that."""
        endpoint = self._store.find(delivery.endpoint)
        if endpoint is None:
            return "endpoint deleted"
        return await post(client, endpoint["url"], delivery.body, self._store.hidden(delivery.endpoint)["secret"])

    def listed(self, state: str | None = None, event: str | None = None) -> list[dict[str, Any]]:
        """What was and is on its way, oldest first."""
        found = self._select("? in (state, 'any') and ? in (event, 'any') order by id", state or "any", event or "any")
        return [delivery.shown() for delivery in found]

    def _select(self, condition: str, *values: Any) -> list[Delivery]:
        columns = "id, event, type, endpoint, body, state, attempts, due, outcome"
        sql = f"select {columns} from deliveries where {condition}"  # noqa: S608 - conditions are ours, values are bound
        return [Delivery(*row) for row in self._store.connection.execute(sql, values)]


def wants(endpoint: JsonObject, type: str) -> bool:
    known = type not in unknown_types(endpoint["api_version"])
    return known and ("*" in endpoint["enabled_events"] or type in endpoint["enabled_events"])


def caller() -> httpx.AsyncClient:
    """Who calls endpoints."""
    return httpx.AsyncClient(verify=_trusted_certificates(), timeout=TIMEOUT_SECONDS, trust_env=False)


@cache
def _trusted_certificates() -> ssl.SSLContext:
    """Read once: that takes longer than many deliveries do."""
    return httpx.create_ssl_context(trust_env=False)


async def post(client: httpx.AsyncClient, url: str, body: str, secret: str) -> str:
    """Send one signed webhook. Returns the status as text, or the name of the network error."""
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        "Stripe-Signature": signature(body, secret, int(time.time())),
    }
    try:
        answer = await client.post(url, content=body.encode(), headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return type(error).__name__
    return str(answer.status_code)


def signature(body: str, secret: str, second: int) -> str:
    """`t=…,v1=…,v0=…`. Signed with the time of day, whatever the look-alike's clock says: receivers check its age.

    In test mode Stripe adds a `v0` that proves nothing; receivers must pass over it.
    """
    signed = hmac.new(secret.encode(), f"{second}.{body}".encode(), hashlib.sha256).hexdigest()
    return f"t={second},v1={signed},v0={hashlib.sha256(random_text(16).encode()).hexdigest()}"
