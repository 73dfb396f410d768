"""`python -m tests.crash.nursery SOCKET`: starts processes of the service in milliseconds: it has imported all, and forks.

Each is the same module with the same arguments and environment as `python -m` would run, as real a process as that. A
matrix of a thousand deaths would otherwise spend most of its time on imports. `command` is what a supervisor runs instead:
a doorman (`tests/crash/doorman.py`) that asks for the process, takes it into its process group, and ends as it ends.
"""

import contextlib
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sandbox.part import Part
from tests.crash import hastened, steps

_IMPORTED_BEFORE = (
    *("api.__main__", "commands.__main__", "consumers.__main__", "migrations.__main__", "projections.__main__"),
    *("sandbox.__main__", "sandbox.stripe.server"),
)
_DOORMAN = Path(__file__).with_name("doorman.py")
_LONGEST_REQUEST = 262_144
_MOST_DESCRIPTORS = 16


def part(address: Path) -> Part:
    """The nursery as something to start."""
    command = [sys.executable, "-m", "tests.crash.nursery", str(address)]
    return Part(name="nursery", command=lambda: command, ready=address.exists)


def command(address: Path, module: str, *arguments: str) -> Sequence[str]:
    """What runs `python -m module arguments…` from the nursery at this address."""
    return [sys.executable, "-I", "-S", str(_DOORMAN), str(address), module, *arguments]


class _Asked(Exception):
    """In the forked process: become this module."""

    def __init__(self, module: str, arguments: Sequence[str]) -> None:
        super().__init__(module)
        self.module = module
        self.arguments = arguments


class _Nursery:
    """Forks whatever is asked for, and tells its doorman how it ended."""

    def __init__(self, address: Path) -> None:
        self._ended, self._woken = socket.socketpair()
        self._woken.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._woken.fileno(), warn_on_full_buffer=False)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(address.with_suffix(".new")))
        self._listener.listen(64)
        self._doormen: dict[int, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        for source in (self._listener, self._ended):
            self._selector.register(source, selectors.EVENT_READ)
        address.with_suffix(".new").rename(address)  # There once it can be used.

    def serve(self) -> None:
        """For ever. Raises `_Asked` in each forked process."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._listener:
                    self._fork(self._listener.accept()[0])
                elif key.fileobj is self._ended:
                    self._ended.recv(4096)
                    self._bury()
                elif key.data in self._doormen:  # It has nothing more to say: it is gone, and its process goes with it.
                    self._selector.unregister(key.fileobj)
                    os.kill(key.data, signal.SIGKILL)  # Not buried yet, so the number is still its own.

    def _fork(self, doorman: socket.socket) -> None:
        text, descriptors, _, _ = socket.recv_fds(doorman, _LONGEST_REQUEST, _MOST_DESCRIPTORS)
        if not text:
            doorman.close()
            return
        asked = json.loads(text)
        pid = os.fork()
        if not pid:
            self._leave(doorman)
            _become(asked, descriptors)
            raise _Asked(asked["module"], asked["arguments"])
        for descriptor in descriptors:
            os.close(descriptor)
        self._doormen[pid] = doorman
        self._selector.register(doorman, selectors.EVENT_READ, pid)

    def _bury(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    return
                doorman = self._doormen.pop(pid)
                with contextlib.suppress(KeyError):
                    self._selector.unregister(doorman)
                with doorman, contextlib.suppress(OSError):
                    doorman.sendall(str(os.waitstatus_to_exitcode(status)).encode())

    def _leave(self, doorman: socket.socket) -> None:
        """In a forked process: let go of what is the nursery's."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._selector.close()
        for one in (self._listener, self._ended, self._woken, doorman, *self._doormen.values()):
            one.close()


def _become(asked: dict[str, Any], descriptors: Sequence[int]) -> None:
    """Take the group, the output and the environment that were asked for, and no descriptors but those given."""
    try:
        os.setpgid(0, asked["group"])
    except OSError:  # The doorman was killed meanwhile.
        os._exit(1)
    os.dup2(descriptors[0], 1)
    os.dup2(descriptors[0], 2)
    keep = set(descriptors[1:])  # Whoever waits until all of it is gone holds their other ends.
    for descriptor in range(3, 256):
        if descriptor not in keep:
            with contextlib.suppress(OSError):
                os.close(descriptor)
    os.environ.clear()
    os.environ.update(asked["environment"])


def _import_all() -> None:
    for name in _IMPORTED_BEFORE:
        importlib.import_module(name)
    for name in _IMPORTED_BEFORE:
        if name.endswith(".__main__"):
            del sys.modules[name]  # It is run anew, as the main module.


if __name__ == "__main__":
    _import_all()
    try:
        _Nursery(Path(sys.argv[1])).serve()
    except _Asked as asked:
        sys.argv = [asked.module, *asked.arguments]
        module = asked.module
    hastened.hasten()
    steps.listen()
    runpy.run_module(module, run_name="__main__", alter_sys=True)
