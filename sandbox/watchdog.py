"""A small process that ends what a supervisor leaves behind when it dies without stopping it, even by SIGKILL.

It reads from the supervisor through a pipe which process groups live; the pipe closes when the supervisor is gone,
however it went. Unlike Linux's parent-death signal this works on macOS too, reaches a child that has changed its
user, and does not fire when merely the thread that started the child ends.
"""

import contextlib
import os
import signal
import subprocess
import sys


class Watchdog:
    """The supervisor's end: says which process groups to end if the supervisor dies."""

    def __init__(self) -> None:
        # A session of its own: Ctrl-C in the terminal must not reach it before it has done its work.
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__], stdin=subprocess.PIPE, start_new_session=True
        )

    def watch(self, group: int) -> None:
        """End this process group if the supervisor dies."""
        self._tell(f"+{group}")

    def forget(self, group: int) -> None:
        """This process group has ended; its number may soon be somebody else's."""
        self._tell(f"-{group}")

    def close(self) -> None:
        """End the watchdog, and with it whatever it still watches."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # Somebody ended it: the platform goes on without this safety.
            os.write(self._process.stdin.fileno(), f"{line}\n".encode())


def guard() -> None:
    """Read process groups from standard input until it closes, then kill those that are left, the newest first."""
    groups: dict[int, None] = {}
    for line in sys.stdin:
        group = int(line[1:])
        if line.startswith("+"):
            groups[group] = None
        else:
            groups.pop(group, None)
    for group in reversed(groups):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    guard()
