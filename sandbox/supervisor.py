"""Starts the parts of the platform, watches over them, and stops everything it started and nothing else."""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from sandbox.child import Child
from sandbox.errors import PartFailed, StopAsked
from sandbox.part import Part
from sandbox.watchdog import Watchdog

DEATHS_ALLOWED = 3
DEATHS_WITHIN_SECONDS = 60

_LOOK_EVERY_SECONDS = 0.05


class Supervisor:
    """Parts as real processes, each with its log in `logs/<name>.log`.

    A part of the service that dies is named through `say` and started again; at its fourth death within a minute
    everything stops. A server that dies stops everything. What ended the run is then in `failure`. Methods may be
    called from any thread. Leaving the context stops all parts: first all that need the servers, then the servers.
    """

    def __init__(self, logs: Path, say: Callable[[str], None] = print) -> None:
        self.failure: PartFailed | None = None
        self._logs = logs
        self._say = say
        self._children: dict[str, Child] = {}
        self._deaths: dict[str, deque[float]] = {}
        self._changing = threading.Lock()  # Held while children are started or marked, so that none slips through.
        self._stopping = threading.Lock()
        self._ended = threading.Event()
        self._hurry = threading.Event()

    def __enter__(self) -> Self:
        self._logs.mkdir(parents=True, exist_ok=True)
        self._watchdog = Watchdog()
        self._watch = threading.Thread(target=self._watch_over_children, name="supervisor", daemon=True)
        self._watch.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._watch.join()
        self._stop_all()
        self._watchdog.close()

    # Starting.

    def start(self, *parts: Part) -> None:
        """Start these parts side by side, each after those it names, and return when all are ready or have ended well.

        Raises PartFailed, naming the part, as soon as one dies or is not ready in its time; StopAsked when asked to
        stop meanwhile.
        """
        ready = {part.name: threading.Event() for part in parts}

        def in_its_turn(part: Part) -> None:
            while not all(ready[name].is_set() for name in part.after):
                self.wait_a_moment()
            (self._run if part.ends else self._bring_up)(part)
            ready[part.name].set()

        for part in parts:
            self._keep_previous_log(part)
        self._side_by_side(in_its_turn, parts)

    def _run(self, part: Part) -> None:
        child = self._spawn(part)
        deadline = time.monotonic() + part.ready_within_seconds
        while (exit_code := child.exit_code()) is None and time.monotonic() < deadline:
            self.wait_a_moment()
        child.kill()
        if exit_code is None:
            raise self._failed(child, f"did not finish within {part.ready_within_seconds:g} seconds")
        if exit_code != 0:
            raise self._failed(child, f"failed ({_how(exit_code)})")

    def run_beside(self, part: Part) -> None:
        """Start a part whose end, good or bad, matters to nobody else, and return at once."""
        self._keep_previous_log(part)
        self._spawn(part)

    # Doing things to one part on purpose, as fault tests do. It is not taken for a death.

    def stop(self, name: str) -> None:
        """Stop one part as gently as at the end; it stays down until `start_again`."""
        self._leave_alone(name).stop(self._hurry)

    def kill(self, name: str) -> None:
        """End one part by SIGKILL; it stays down until `start_again`."""
        self._leave_alone(name).kill()

    def start_again(self, name: str) -> None:
        """Start a part that was stopped or killed, with its address and data as before; return when it is ready."""
        self._bring_up(self._children[name].part)

    def pause(self, name: str) -> None:
        """Freeze one part (SIGSTOP): its connections stay open and nothing answers."""
        self._children[name].pause()

    def resume(self, name: str) -> None:
        """Let a frozen part go on."""
        self._children[name].resume()

    def pid(self, name: str) -> int:
        """The process id of one part as it runs now."""
        return self._children[name].pid

    # Ending.

    def ask_to_stop(self) -> None:
        """Make `start` and `wait` return. Asked a second time, what has not stopped yet is killed."""
        if self._ended.is_set():
            self._hurry.set()
        self._ended.set()

    def wait(self) -> None:
        """Return when asked to stop. Raises PartFailed when a death has ended the run."""
        self._ended.wait()
        if self.failure is not None:
            raise self.failure

    def wait_a_moment(self) -> None:
        """Sleep as long as lies between two looks at something. Raises when the run has ended or is to end."""
        if self._ended.wait(_LOOK_EVERY_SECONDS):
            raise self.failure or StopAsked

    def _side_by_side(self, bring_up: Callable[[Part], None], parts: Iterable[Part]) -> None:
        pending = {_in_thread(partial(bring_up, part), f"start {part.name}") for part in parts}
        while pending:
            done, pending = wait(pending, timeout=_LOOK_EVERY_SECONDS)
            for future in done:
                future.result()
            if self._ended.is_set():
                raise self.failure or StopAsked

    def _bring_up(self, part: Part) -> None:
        child = self._spawn(part)
        deadline = time.monotonic() + part.ready_within_seconds
        while not part.ready():
            if (exit_code := child.exit_code()) is not None:
                raise self._failed(child, f"did not come up ({_how(exit_code)})")
            if time.monotonic() > deadline:
                raise self._failed(child, f"was not ready within {part.ready_within_seconds:g} seconds")
            self.wait_a_moment()
        child.watched = True

    def _spawn(self, part: Part) -> Child:
        command = part.command()
        with self._changing:
            if self._ended.is_set():
                raise StopAsked
            child = Child(part, command, self._log(part), self._watchdog)
            self._children[part.name] = child
            return child

    def _leave_alone(self, name: str) -> Child:
        with self._changing:
            child = self._children[name]
            child.watched = False
            return child

    def _watch_over_children(self) -> None:
        while not self._ended.wait(_LOOK_EVERY_SECONDS):
            with self._changing:
                dead = [child for child in self._children.values() if child.watched and child.exit_code() is not None]
                for child in dead:
                    child.watched = False
            for child in dead:
                self._attend_to_death(child)

    def _attend_to_death(self, child: Child) -> None:
        exit_code = child.exit_code()
        assert exit_code is not None, "only the dead are attended to"
        child.kill()  # What it may have left of its process group.
        if child.part.is_server:
            self._end_with(self._failed(child, f"died ({_how(exit_code)}); the rest cannot go on without it"))
        elif self._dies_too_often(child.part.name):
            self._end_with(self._failed(child, f"died {DEATHS_ALLOWED + 1} times within a minute ({_how(exit_code)})"))
        else:
            self._say(f"{child.part.name} died ({_how(exit_code)}) and is started again. Its log: {child.log}")
            self._spawn_again(child.part)

    def _spawn_again(self, part: Part) -> None:
        with contextlib.suppress(StopAsked):  # Then everything ends anyway.
            self._spawn(part).watched = True

    def _dies_too_often(self, name: str) -> bool:
        deaths = self._deaths.setdefault(name, deque(maxlen=DEATHS_ALLOWED + 1))
        deaths.append(time.monotonic())
        return len(deaths) > DEATHS_ALLOWED and deaths[-1] - deaths[0] < DEATHS_WITHIN_SECONDS

    def _end_with(self, failure: PartFailed) -> None:
        self.failure = failure
        self._ended.set()
        self._stop_all()

    def _stop_all(self) -> None:
        with self._stopping:
            with self._changing:
                children = list(self._children.values())
                for child in children:
                    child.watched = False
            for servers in (False, True):
                wave = [child for child in children if child.part.is_server is servers]
                stops = [_in_thread(partial(child.stop, self._hurry), f"stop {child.part.name}") for child in wave]
                for stop in stops:
                    stop.result()

    def _log(self, part: Part) -> Path:
        return self._logs / f"{part.name}.log"

    def _keep_previous_log(self, part: Part) -> None:
        if (log := self._log(part)).exists():
            log.replace(log.with_suffix(".previous.log"))

    def _failed(self, child: Child, what: str) -> PartFailed:
        return PartFailed(f"{child.part.name} {what}. The last lines of {child.log}:\n\n{child.last_lines()}")


def _in_thread(action: Callable[[], None], name: str) -> Future[None]:
    """Run it in a daemon thread, so that a long download never keeps the program from ending."""
    future: Future[None] = Future()

    def work() -> None:
        try:
            action()
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(None)

    threading.Thread(target=work, name=name, daemon=True).start()
    return future


def _how(exit_code: int) -> str:
    return f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"
