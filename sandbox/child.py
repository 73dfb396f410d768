"""One running process of the platform: its log, its signals, and knowing when all of it is gone."""

import contextlib
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from sandbox.part import Part
from sandbox.watchdog import Watchdog

_GONE_WITHIN_SECONDS = 10


class Child:
    """A part that was started. It leads a process group of its own and writes to its log.

    The child and all its descendants inherit one end of a pipe, the lifeline. When the last of them has ended, the
    pipe closes: so we know that all is gone, even what left the process group (PostgreSQL's backends do) and
    outlives its leader for a moment.
    """

    def __init__(self, part: Part, command: Sequence[str], log: Path, watchdog: Watchdog) -> None:
        self.part = part
        self.log = log
        self.watched = False  # True while the supervisor is to act on its death.
        self._gone = False
        self._watchdog = watchdog
        self._lifeline, held_by_child = os.pipe()
        try:
            with log.open("ab") as output:
                self._process = subprocess.Popen(
                    command,
                    env={**os.environ, **part.environment},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    pass_fds=(held_by_child,),
                    process_group=0,
                )
        except BaseException:
            os.close(self._lifeline)
            raise
        finally:
            os.close(held_by_child)
        watchdog.watch(self.pid)

    @property
    def pid(self) -> int:
        """The process id, which is also the id of its process group."""
        return self._process.pid

    def exit_code(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._process.poll()

    def stop(self, hurry: threading.Event) -> None:
        """Ask it to end, and kill it if it has not done so in its time or once `hurry` is set."""
        self._signal(self.part.stop_signal)
        self._signal(signal.SIGCONT)  # One that is paused could not obey.
        deadline = time.monotonic() + self.part.stop_within_seconds
        while self.exit_code() is None and time.monotonic() < deadline and not hurry.is_set():
            time.sleep(0.02)
        self.kill()

    def kill(self) -> None:
        """End it and its process group at once, and wait until all of it is gone."""
        if self._gone:
            return
        self._signal(signal.SIGKILL)
        self._process.wait()
        select.select([self._lifeline], [], [], _GONE_WITHIN_SECONDS)
        os.close(self._lifeline)
        self._watchdog.forget(self.pid)
        self._gone = True

    def pause(self) -> None:
        """Stop it in its tracks, connections open: to its peers it hangs."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused one go on."""
        self._signal(signal.SIGCONT)

    def last_lines(self, count: int = 15) -> str:
        """The end of its log, for a message."""
        with self.log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 16_384))
            lines = log.read().decode(errors="replace").splitlines()
        return "\n".join(lines[-count:]) or "(its log is empty)"

    def _signal(self, number: signal.Signals) -> None:
        if self._gone:
            return  # Its number may be somebody else's by now.
        with contextlib.suppress(ProcessLookupError, PermissionError):  # Just ended; macOS says the latter.
            os.killpg(self.pid, number)
