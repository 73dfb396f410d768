"""How a gateway is asked for what was recorded: by one process at a time, under one key for as long as the gateway knows it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from commands.open_requests import OpenRequest
from commands.ports import CommandInProgress, Context, EventStore

SAME_KEY_FOR = timedelta(hours=23)  # Stripe forgets idempotency keys after 24 hours.
LEASE_SECONDS = 30.0  # longer than the gateway may take to answer


@asynccontextmanager
async def alone(context: Context, store: EventStore) -> AsyncIterator[None]:
    """Go on with a recorded command while nobody else does. Raises `CommandInProgress` while another process is at it."""
    if not await store.take_lease(context.command_id, LEASE_SECONDS):
        raise CommandInProgress
    try:
        yield
    finally:
        await store.end_lease(context.command_id)


def key_lives(kept: OpenRequest, now: datetime) -> bool:
    """Whether the gateway still knows the request's key: sent again, it then does nothing twice."""
    return now - kept.created_at <= SAME_KEY_FOR
