"""Reactions: the events of users, which others own, each made into a command with an id of its own."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from typing import cast
from uuid import UUID, uuid5

import httpx
import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message
from prometheus_client import Counter

from commands.customers import UserEvent, hear_of_user
from commands.ports import Context, EventStore, StoreUnavailable, StreamsBusy
from consumers.user_events import UserEvents, UserEventUnreadable
from domain.errors import DomainError
from domain.project import PROJECTS
from gateways.errors import GatewayUnavailable
from gateways.port import Gateway
from runtime.process import Stop
from vault.port import Vault, VaultUnavailable

log = structlog.get_logger()

ACTOR = "users:owner"

_NAMESPACE = UUID("d2b0c7f4-4c7e-5b55-8f3a-0a5a9d1e6b77")
_READ_SECONDS = 0.5
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0

# Waiting helps against these: the record is tried again, and those behind it wait, for one user's events keep their order.
_PASSES = (StoreUnavailable, VaultUnavailable, StreamsBusy, GatewayUnavailable, httpx.HTTPError)

HEARD = Counter("tillstream_user_events", "Events of users, by what became of them", ["outcome"])


@dataclass(frozen=True, slots=True)
class Reactions:
    """What a record leads to. Offsets are committed after it, so it may come again: then it changes nothing."""

    store: EventStore
    gateway: Gateway
    vault: Vault
    events: UserEvents

    async def react(self, message: Message, now: datetime) -> str:
        """Do what one record asks for. Returns its outcome; raises where it must be tried again."""
        headers = {name: (value or b"").decode("utf-8", "replace") for name, value in _headers(message)}
        place = f"{message.topic()}/{message.partition()}/{message.offset()}"
        try:
            event = self.events.read(headers, message.value(), place)
            if event is None:
                return "irrelevant"
            if await self.store.load(PROJECTS.at(event.project_id)) is None:
                raise UserEventUnreadable("no such project is registered")
            receipt = await hear_of_user(event, context_of(event, now), self.store, self.gateway, self.vault)
            return "repeated" if receipt.replayed else event.word.value
        except UserEventUnreadable as unreadable:
            log.error("user_event_passed_over", place=place, reason=str(unreadable))
            return "unreadable"
        except _PASSES:
            raise
        except DomainError as refusal:
            log.error("user_event_refused", place=place, code=refusal.code, reason=refusal.message)
            return "refused"


def context_of(event: UserEvent, now: datetime) -> Context:
    """An event's command: its id is the event's own, so that it happens once."""
    return Context(
        command_id=uuid5(_NAMESPACE, f"{event.project_id}/{event.event_id}"),
        fingerprint=sha256(f"{event.word}/{event.user_id}".encode()).digest(),
        project_id=event.project_id,
        actor=ACTOR,
        request_id=f"user-event-{event.event_id}",
        causation_id=event.event_id,
        now=now,
    )


Build = Callable[[], AbstractAsyncContextManager[Reactions]]


def follow(consumer: Consumer, topic: str, build: Build, stop: Stop) -> None:
    """React to the topic until asked to stop. It need not exist yet: its owner makes it."""
    consumer.subscribe([topic])
    try:
        asyncio.run(_follow(consumer, build, stop))
    finally:
        consumer.close()


async def _follow(consumer: Consumer, build: Build, stop: Stop) -> None:
    async with build() as reactions:
        while not stop:
            message = await asyncio.to_thread(consumer.poll, _READ_SECONDS)
            if message is None or not _is_record(message):
                continue
            outcome = await _until_done(reactions, message, stop)
            if outcome is None:
                return
            HEARD.labels(outcome).inc()
            log.info("user_event", outcome=outcome, partition=message.partition(), offset=message.offset())
            await asyncio.to_thread(partial(consumer.commit, message=message, asynchronous=False))


async def _until_done(reactions: Reactions, message: Message, stop: Stop) -> str | None:
    """The record's outcome, however long that takes; None where the process is asked to stop before."""
    pause = _FIRST_PAUSE_SECONDS
    while not stop:
        try:
            return await reactions.react(message, datetime.now(UTC))
        except _PASSES as error:
            log.warning("user_event_waits", reason=str(error), again_in_seconds=pause)
            await asyncio.to_thread(stop.wait, pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
    return None


def _is_record(message: Message) -> bool:
    error = message.error()
    if error is None:
        return True
    if error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._PARTITION_EOF) or error.retriable():
        return False
    raise KafkaException(error)


def _headers(message: Message) -> list[tuple[str, bytes]]:
    return cast(list[tuple[str, bytes]], message.headers() or [])
