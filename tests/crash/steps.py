"""The named steps of the pipeline, and how a process is told to let somebody die at one of them, itself or a server.

The product knows nothing of this: the functions that stand at the steps are wrapped before the process begins.
"""

import functools
import importlib
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from inspect import iscoroutinefunction
from typing import Any, Literal, NamedTuple

from sandbox.addresses import LOOPBACK

PORT = "TILLSTREAM_TEST_STEPS_PORT"  # Where a process listens for its orders, and in
PROCESS = "TILLSTREAM_TEST_STEPS_PROCESS"  # whose steps it goes.
MORE = "TILLSTREAM_TEST_STEPS_MORE"  # A module with further STEPS, and a `hasten` to call first.

_ANSWER_WITHIN_SECONDS = 0.2


class Step(NamedTuple):
    """Before or after which call of which process death comes."""

    process: str
    when: Literal["before", "after"]
    where: str  # module:name or module:class.name, several of them with a comma
    called_from: tuple[str, ...] = ()  # modules that took the names over by `from … import …`


_COMMIT = "commands.store.append:append,commands.store.append:append_trusted"  # Either commits by itself.

STEPS: Mapping[str, Step] = {
    "before the commit": Step("api", "before", _COMMIT, ("commands.store.writing",)),
    "after the commit": Step("api", "after", _COMMIT, ("commands.store.writing",)),
    "before numbering": Step("publisher", "before", "commands.publisher.numbering:number"),
    "after numbering": Step("publisher", "after", "commands.publisher.numbering:number"),
    "before sending": Step("publisher", "before", "commands.publisher.sending:Sender.hand_over"),
    "after sending": Step("publisher", "after", "commands.publisher.sending:Sender.hand_over"),
    "after the acknowledgement": Step("publisher", "before", "commands.publisher.epoch:note_checkpoint"),
    "after the publisher's checkpoint": Step("publisher", "after", "commands.publisher.epoch:note_checkpoint"),
    "before folding": Step("projector", "before", "projections.folding:fold"),
    "between checkpoint and fold": Step("projector", "after", "projections.checkpoints:advance"),
    "between fold and commit": Step("projector", "after", "projections.audit:apply"),
    "after the fold's commit": Step("projector", "after", "projections.folding:fold"),
}


# In the process that goes the steps.


class Orders:
    """Who is to die at which step, if anybody. `told` is called when it comes to it."""

    def __init__(self) -> None:
        self._step: str | None = None
        self._times_left = 0
        self._group = 0
        self._tell: Callable[[], object] = lambda: None
        self._lock = threading.Lock()
        self.last_at: dict[str, float] = {}

    def give(self, step: str | None, times: int, group: int, tell: Callable[[], object]) -> None:
        """At the `times`-th time of this step this process group dies; 0 stands for this process. None: nobody dies."""
        with self._lock:
            self._step, self._times_left, self._group, self._tell = step, times, group, tell

    def reached(self, step: str) -> None:
        """This process is at a step."""
        self.last_at[step] = time.monotonic()
        with self._lock:
            if step != self._step:
                return
            self._times_left -= 1
            if self._times_left:
                return
            self._step = None
            self._tell()
            if not self._group:
                os.kill(os.getpid(), signal.SIGKILL)
            with suppress(ProcessLookupError):
                os.killpg(self._group, signal.SIGKILL)


def listen() -> None:
    """Take orders from now on, in a process whose environment says so. Called before the process begins."""
    if PORT not in os.environ:
        return
    orders, more = Orders(), dict[str, Step]()
    if MORE in os.environ:
        module = importlib.import_module(os.environ[MORE])
        module.hasten()
        more = module.STEPS
    for name, step in {**STEPS, **more}.items():
        if step.process == os.environ[PROCESS]:
            watch(step, functools.partial(orders.reached, name))
    ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ear.bind((LOOPBACK, int(os.environ[PORT])))
    threading.Thread(target=_obey, args=(ear, orders), name="steps", daemon=True).start()


def _obey(ear: socket.socket, orders: Orders) -> None:
    while True:
        text, sender = ear.recvfrom(65_536)
        order = json.loads(text)
        if "step" in order:
            tell = functools.partial(ear.sendto, json.dumps({"sprung": order["number"]}).encode(), sender)
            orders.give(order["step"], order["times"], order["group"], tell)
        now = time.monotonic()
        ages = {step: now - at for step, at in orders.last_at.items()}
        ear.sendto(json.dumps({"number": order["number"], "ages": ages}).encode(), sender)


def watch(step: Step, reached: Callable[[], None]) -> None:
    """Call `reached` whenever this process is at the step. Raises AttributeError where the step is not there any more."""
    for place in step.where.split(","):
        module_name, _, name = place.partition(":")
        owner: Any = importlib.import_module(module_name)
        *path, last = name.split(".")
        for part in path:
            owner = getattr(owner, part)
        watched = _watched(getattr(owner, last), step.when, reached)
        setattr(owner, last, watched)
        for user in step.called_from:
            module = importlib.import_module(user)
            assert hasattr(module, last), f"{user} does not import {last} any more"
            setattr(module, last, watched)


def _watched(function: Callable[..., Any], when: str, reached: Callable[[], None]) -> Callable[..., Any]:
    @contextmanager
    def around() -> Iterator[None]:
        if when == "before":
            reached()
        yield
        if when == "after":
            reached()

    if iscoroutinefunction(function):

        @functools.wraps(function)
        async def asynchronous(*arguments: Any, **named: Any) -> Any:
            with around():
                return await function(*arguments, **named)

        return asynchronous

    @functools.wraps(function)
    def synchronous(*arguments: Any, **named: Any) -> Any:
        with around():
            return function(*arguments, **named)

    return synchronous


# In the one that gives the orders.


class Trap:
    """An order to let somebody die at a step, and the news that it was obeyed. A context manager."""

    def __init__(self, step: str, times: int, group: int = 0) -> None:
        self._order = {"step": step, "times": times, "group": group}
        self._mouth = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._mouth.bind((LOOPBACK, 0))
        self._laid: set[int] = set()
        self.is_sprung = False

    def __enter__(self) -> "Trap":
        return self

    def __exit__(self, *_: object) -> None:
        """Take the order back where it was not obeyed."""
        self._order["step"] = None
        for port in self._laid:
            self.lay(port)
        self._mouth.close()

    def lay(self, port: int) -> bool:
        """Order it of the process at this port. Whether it has understood: it may be dead, or not have begun."""
        self._laid.add(port)
        answer = _ask(self._mouth, port, self._order)
        self.is_sprung = self.is_sprung or (answer is not None and "sprung" in answer)
        return answer is not None

    def look(self, seconds: float) -> None:
        """Wait for the news, so long at most."""
        self._mouth.settimeout(seconds)
        with suppress(OSError):
            self.is_sprung = self.is_sprung or "sprung" in json.loads(self._mouth.recv(65_536))


def seconds_since(port: int, step: str) -> float:
    """How long ago the process at this port was last at a step; infinite where it never was, or does not answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mouth:
        answer = _ask(mouth, port, {})
    return float(answer["ages"].get(step, "inf")) if answer else float("inf")


def _ask(mouth: socket.socket, port: int, order: Mapping[str, Any]) -> dict[str, Any] | None:
    mouth.settimeout(_ANSWER_WITHIN_SECONDS)
    with suppress(OSError):  # A time-out, or nobody listens there.
        mouth.sendto(json.dumps({**order, "number": time.monotonic_ns()}).encode(), (LOOPBACK, port))
        answer: dict[str, Any] = json.loads(mouth.recv(65_536))
        return answer
    return None
