"""`python -m tests.crash`: the crash matrix. Each run prints its seed and is played again with `--seed`."""

import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from sandbox.environment import CHECKOUT
from tests.crash.checking import LostOrDoubled
from tests.crash.ground import Ground
from tests.crash.play import Story, play, troubles_for
from tests.crash.troubles import TROUBLES, Trouble, deal, each_step_once

_KEPT = CHECKOUT / ".run" / "crash"  # The logs of runs that failed.

app = typer.Typer(add_completion=False)


class _Grounds:
    """The servers: kept while all goes well. After a run that failed, the next one gets others."""

    def __init__(self) -> None:
        self._undo = ExitStack()
        self._ground: Ground | None = None
        self.folder = Path()

    def __enter__(self) -> "_Grounds":
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def get(self) -> Ground:
        if self._ground is None:
            folder = self._undo.enter_context(
                tempfile.TemporaryDirectory(prefix="tillstream-crash-", ignore_cleanup_errors=True)
            )
            self.folder = Path(folder)
            self.folder.chmod(0o755)  # Postgres runs as another user where we are root.
            self._ground = self._undo.enter_context(Ground(self.folder))
        return self._ground

    def leave(self) -> None:
        self._ground = None
        self._undo.close()


class _Tally:
    """What all runs came to."""

    def __init__(self) -> None:
        self.failed: list[int] = []
        self.stories: list[Story] = []
        self.lost = self.doubled = 0

    def _often(self, *, struck: bool) -> Counter[str]:
        return Counter(one.kind for story in self.stories for one in story.happened if one.struck is struck)

    def blunt(self) -> list[str]:
        """Troubles that more often than not never came about: then what they are to show is not shown."""
        struck, missed = self._often(struck=True), self._often(struck=False)
        return [kind for kind in missed if missed[kind] > struck[kind]]

    def table(self) -> Table:
        struck, missed = self._often(struck=True), self._often(struck=False)
        table = Table(
            Column("Trouble", no_wrap=True), "How often", "Never came to it", title=f"{len(self.stories)} runs"
        )
        for kind in sorted({trouble.kind for trouble in TROUBLES}):
            table.add_row(kind, str(struck[kind]), str(missed[kind] or ""))
        table.add_section()
        table.add_row("all", str(struck.total()), str(missed.total()))
        return table

    def sums(self) -> str:
        commands = sum(story.commands for story in self.stories)
        return (
            f"{len(self.stories)} runs, {len(self.failed)} failed; {commands:,} commands:"
            f" {self.lost} lost, {self.doubled} doubled."
        )


@app.command()
def crash(
    runs: Annotated[int, typer.Option(help="How many runs, each with a seed of its own.")] = 100,
    commands: Annotated[int, typer.Option(help="Commands in each run, at least.")] = 2_000,
    seed: Annotated[int | None, typer.Option(help="Play this run only.")] = None,
    short: Annotated[
        bool, typer.Option(help="With the troubles of the short form in the suite: each step once.")
    ] = False,
) -> None:
    """Kill, freeze, cut off and double every part while commands go on, and check after each run that nothing shows of it."""
    console = Console(highlight=False)
    seeds = [seed] if seed is not None else range((first := random.randrange(10**6)), first + runs)
    tally, dealt = _Tally(), each_step_once if short else partial(deal, count=troubles_for(commands))
    with _progress(console, len(seeds)) as advance, _Grounds() as grounds:
        for one in seeds:
            _run(Story(one), commands, dealt(one), grounds, tally, console)
            advance()
    console.print(tally.table())
    console.print(tally.sums())
    for one in tally.failed:
        console.print(f"Play it again: python -m tests.crash --commands {commands} --seed {one}")
    for kind in tally.blunt():
        console.print(f"It mostly never came to this, so nothing is shown of it: {kind}")
    if tally.failed or tally.blunt():
        sys.exit(1)


def _run(
    story: Story, commands: int, dealt: Sequence[Trouble], grounds: _Grounds, tally: _Tally, console: Console
) -> None:
    tally.stories.append(story)
    began = time.monotonic()
    folder = None
    try:
        ground = grounds.get()
        folder = grounds.folder / f"run-{story.seed}"
        play(ground, story, commands, dealt, folder)
    except Exception as error:
        tally.failed.append(story.seed)
        if isinstance(error, LostOrDoubled):
            tally.lost += error.lost
            tally.doubled += error.doubled
        console.print(_failure(story, error, grounds.folder), markup=False, soft_wrap=True)
        grounds.leave()
    else:
        shutil.rmtree(folder, ignore_errors=True)
        parts = ", ".join(f"{name} {seconds:.1f}" for name, seconds in story.seconds.items())
        console.print(
            f"seed {story.seed}: {story.commands} commands, {len(story.happened)} troubles, nothing lost or doubled;"
            f" {time.monotonic() - began:.0f} s ({parts})",
            soft_wrap=True,
        )


def _failure(story: Story, error: Exception, folder: Path) -> str:
    kept = _KEPT / str(story.seed)
    shutil.rmtree(kept, ignore_errors=True)
    for logs in folder.rglob("logs"):
        shutil.copytree(logs, kept / logs.relative_to(folder))
    happened = "; ".join(map(str, story.happened))
    return f"seed {story.seed} failed after: {happened}\n{error!r}"[:8_000] + f"\nThe logs are kept in {kept}."


@contextmanager
def _progress(console: Console, total: int) -> Iterator[Callable[[], None]]:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("crash runs", total=total)
        yield lambda: progress.advance(task)


if __name__ == "__main__":
    app()
