"""A process: it starts or says why it cannot, stops when it is asked to, and leaves a sentence when it dies."""

import gc
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType

import structlog

log = structlog.get_logger()

# What is done here leaves hardly any cycles behind, but many objects live while it waits: to look through them every 700, and
# now and then through all that is remembered, took a tenth of the time. What a cycle holds on to is freed a little later.
_GARBAGE_THRESHOLDS = (20_000, 50, 50)


class Stop:
    """Set once somebody asks this process to stop (SIGTERM, SIGINT). Loops look at it; sleepers wait on it."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def __bool__(self) -> bool:
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Sleep, but wake at once when asked to stop. Whether that was so."""
        return self._event.wait(seconds)

    def set(self) -> None:
        self._event.set()

    def on_signals(self) -> "Stop":
        """Listen to SIGTERM and SIGINT from now on (main thread only)."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._asked)
        return self

    def _asked(self, number: int, _frame: FrameType | None) -> None:
        log.info("stopping", signal=signal.Signals(number).name)
        self._event.set()


def run(main: Callable[[], None], *expected: type[Exception]) -> None:
    """Run a process. An expected error ends it with its sentence and status 1, or the `exit_status` that its class names;
    anything else ends it with its traceback.
    """
    try:
        main()
    except expected as error:
        log.error("stopped", reason=str(error))
        sys.exit(getattr(error, "exit_status", 1))


def is_built() -> None:
    """Let the garbage collector come seldom from now on, and not walk again and again over what was built until here."""
    gc.freeze()
    gc.set_threshold(*_GARBAGE_THRESHOLDS)
