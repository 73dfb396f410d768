"""What a long run shows while it works: bars with rate and time left on a terminal, elsewhere a line every few seconds."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

_LINE_EVERY_SECONDS = 5.0


class Screen:
    """What happens, on a console. Use it as a context, within which nobody else prints there."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._bars = Progress(
            TextColumn("{task.description:>15}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(),
            console=console,
            get_time=clock,
            disable=not console.is_terminal,  # Tasks are kept all the same, and with them rate and time left.
        )
        self._tasks: dict[str, TaskID] = {}
        self._next_line_at = 0.0

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bars.stop()

    def say(self, sentence: str) -> None:
        """Print a sentence, above the bars where there are any."""
        self._console.print(sentence, markup=False, highlight=False, soft_wrap=True)

    def progress(self, what: str, done: int, total: int) -> None:
        """Move a phase's bar, which begins where it is first told to be: what is done already does not count as speed."""
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(what, total=total, completed=done)
        self._bars.update(self._tasks[what], completed=done, total=total)
        if not self._console.is_terminal and (done >= total or self._clock() >= self._next_line_at):
            self._next_line_at = self._clock() + _LINE_EVERY_SECONDS
            self.say(_line(self._task(what)))

    def _task(self, what: str) -> Task:
        [task] = (task for task in self._bars.tasks if task.description == what)
        return task


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(_rate(task), style="progress.data.speed")


def _rate(task: Task) -> str:
    speed = task.finished_speed or task.speed
    return f"{speed:,.0f} facts/s" if speed else ""


def _line(task: Task) -> str:
    """`from Kafka: 512,000 of 1,000,000 facts, 41,000 facts/s, 12 s left`."""
    parts = [f"{task.description}: {task.completed:,.0f} of {task.total or 0:,.0f} facts", _rate(task)]
    if task.time_remaining:
        parts.append(f"{task.time_remaining:,.0f} s left")
    return ", ".join(part for part in parts if part)
