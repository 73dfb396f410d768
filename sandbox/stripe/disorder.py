"""Webhooks in any order: held back, then released, doubled, swapped or dropped as a test wants it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from sandbox.stripe.deliveries import Deliveries, Delivery, caller
from sandbox.stripe.errors import StripeRefusal
from sandbox.stripe.losses import drawn

ORDERS = ("made", "reversed", "shuffled")
RESTS = ("send", "hold", "drop")


@dataclass(frozen=True, kw_only=True)
class Release:
    """How what waits is sent.

    `events` (ids) go first, in that order; the others follow in `order` (made, reversed or shuffled by `seed`), or are
    held or dropped, as `rest` says. Each is sent `copies` times, or a number of times between one and `most_copies` that
    the seed draws; `at_once` of these are under way at the same time.
    """

    order: str = "made"
    seed: int = 0
    copies: int = 1
    most_copies: int | None = None
    at_once: int = 1
    events: Sequence[str] = ()
    rest: str = "send"

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise StripeRefusal(400, f"order must be one of {', '.join(ORDERS)}.", param="order")
        if self.rest not in RESTS:
            raise StripeRefusal(400, f"rest must be one of {', '.join(RESTS)}.", param="rest")
        if min(self.copies, self.at_once, self.most_copies or 1) < 1:
            raise StripeRefusal(400, "copies, most_copies and at_once are at least 1.")

    def arranged(self, waiting: Sequence[Delivery]) -> list[Delivery]:
        """Those to be sent, in their order. Refuses (400) an event that does not wait."""
        named = [delivery for event in self.events for delivery in waiting if delivery.event == event]
        missing = set(self.events) - {delivery.event for delivery in named}
        if missing:
            raise StripeRefusal(400, f"Nothing waits of {', '.join(sorted(missing))}.", param="events")
        others = [delivery for delivery in waiting if delivery.event not in self.events]
        if self.order == "reversed":
            others.reverse()
        elif self.order == "shuffled":
            random.Random(self.seed).shuffle(others)
        return named + (others if self.rest == "send" else [])

    def copies_of(self, number: int) -> int:
        """How often the n-th of them is sent."""
        return self.copies if self.most_copies is None else 1 + int(drawn(self.seed, number) * self.most_copies)


class Disorder:
    """What a test may do to the deliveries of an account."""

    def __init__(self, deliveries: Deliveries) -> None:
        self._deliveries = deliveries

    def hold(self) -> None:
        """From now on nothing is sent until `release`."""
        self._deliveries.hold(True)

    async def release(self, release: Release) -> list[dict[str, Any]]:
        """Send what waits as the release says, then let go, unless it holds the rest. Returns what came of each."""
        waiting = self._deliveries.waiting()
        sent = release.arranged(waiting)
        if release.rest == "drop":
            self._deliveries.lose([delivery for delivery in waiting if delivery not in sent])
        room = asyncio.Semaphore(release.at_once)
        async with caller() as client:
            outcomes = await asyncio.gather(
                *(self._send(client, delivery, release.copies_of(number), room) for number, delivery in enumerate(sent))
            )
        self._deliveries.hold(release.rest == "hold")
        return list(outcomes)

    async def _send(
        self, client: httpx.AsyncClient, delivery: Delivery, copies: int, room: asyncio.Semaphore
    ) -> dict[str, Any]:
        async with room:
            outcomes = [await self._deliveries.send(client, delivery)]
            outcomes += [await self._deliveries.send_again(client, delivery) for _ in range(copies - 1)]
        return {"event": delivery.event, "type": delivery.type, "outcomes": outcomes}

    def drop(
        self, types: Sequence[str] | None = None, event: str | None = None, fraction: float = 1.0, seed: int = 0
    ) -> list[str]:
        """Lose what waits: of these types, or of this event, or all; or that fraction of them. Returns event ids."""
        meant = [
            delivery
            for delivery in self._deliveries.waiting()
            if (types is None or delivery.type in types) and event in (None, delivery.event)
        ]
        lost = [delivery for number, delivery in enumerate(meant) if drawn(seed, number) < fraction]
        self._deliveries.lose(lost)
        return [delivery.event for delivery in lost]

    async def repeat(self, event: str, copies: int) -> list[str]:
        """Send an event again, `copies` at once, each freshly signed, whatever came of it before."""
        addressed = self._deliveries.of(event)
        async with caller() as client:
            attempts = [self._deliveries.send_again(client, delivery) for delivery in addressed for _ in range(copies)]
            return list(await asyncio.gather(*attempts))

    async def settled(self, within_seconds: float) -> bool:
        """Wait until nothing waits any more, at most so long. Refuses (400) while deliveries are held."""
        if self._deliveries.held:
            raise StripeRefusal(400, "Deliveries are held: release them first.")
        deadline = asyncio.get_running_loop().time() + within_seconds
        while self._deliveries.count_waiting():
            if asyncio.get_running_loop().time() > deadline:
                return False
            await asyncio.sleep(0.01)
        return True
