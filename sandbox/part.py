"""What the supervisor starts: one part of the platform, as data."""

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field


def at_once() -> bool:
    return True


@dataclass(frozen=True, kw_only=True)
class Part:
    """One operating-system process of the platform.

    `command` is asked at every start and may take its time: a first start makes the data folder or fetches a
    download. `ready` says without long waiting whether the part can be used.
    """

    name: str
    after: tuple[str, ...] = ()  # Parts started with it that must be ready, or have done their work, before.
    ends: bool = False  # It does its work and ends, within `ready_within_seconds`.
    command: Callable[[], Sequence[str]]
    environment: Mapping[str, str] = field(default_factory=dict)  # Added to the supervisor's own.
    ready: Callable[[], bool] = at_once
    ready_within_seconds: float = 120  # A few are enough, but not on a machine that is busy with other things.
    stop_signal: signal.Signals = signal.SIGTERM
    stop_within_seconds: float = 15
    is_server: bool = False  # The rest cannot live without it: its death stops everything. Others are started again.
