"""Webhooks that get lost: a share of all deliveries, chosen by a seed, never arrives."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sandbox.stripe.errors import StripeRefusal
from sandbox.stripe.store import Store

NOTE = "delivery_losses"


@dataclass(frozen=True)
class Losses:
    """`fraction` of the deliveries of these types (None: of all) is lost; the same ones for the same seed."""

    fraction: float = 0.0
    seed: int = 0
    types: Sequence[str] | None = None
    seen: int = 0  # How many were drawn for already

    def __post_init__(self) -> None:
        if not 0 <= self.fraction <= 1:
            raise StripeRefusal(400, "fraction must lie between 0 and 1.", param="fraction")


def losses_of(store: Store) -> Losses:
    note = store.note(NOTE)
    return Losses() if note is None else Losses(**json.loads(note))


def lose(store: Store, losses: Losses) -> None:
    store.write_note(NOTE, json.dumps(asdict(losses)))


def is_lost(store: Store, type: str) -> bool:
    """Draw for the next delivery of an event type."""
    losses = losses_of(store)
    if losses.fraction == 0 or (losses.types is not None and type not in losses.types):
        return False
    lose(store, Losses(losses.fraction, losses.seed, losses.types, losses.seen + 1))
    return drawn(losses.seed, losses.seen) < losses.fraction


def drawn(seed: int, number: int) -> float:
    """Between 0 and 1, always the same for the n-th of a seed."""
    return random.Random(f"{seed}/{number}").random()
