"""`python -m tests.crash`: the crash matrix. Each run prints its seed and is played again with `--seed`."""

import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.crash.checking import check
from tests.crash.play import Story, play

app = typer.Typer(add_completion=False)


@app.command()
def crash(
    runs: Annotated[int, typer.Option(help="How many runs, each with a seed of its own.")] = 100,
    commands: Annotated[int, typer.Option(help="Commands in each run.")] = 2_000,
    seed: Annotated[int | None, typer.Option(help="Play this run only.")] = None,
) -> None:
    """Kill, freeze and double every part while commands go on, and check after each run that nothing shows of it."""
    console, first = Console(), seed if seed is not None else random.randrange(10**6)
    failed = []
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console
    ) as progress:
        task = progress.add_task("crash runs", total=1 if seed is not None else runs)
        for number in range(1 if seed is not None else runs):
            began = time.monotonic()
            story = Story(first + number)
            try:
                with tempfile.TemporaryDirectory(prefix="tillstream-crash-", ignore_cleanup_errors=True) as folder:
                    Path(folder).chmod(0o755)  # Postgres runs as another user where we are root.
                    story = play(first + number, commands, Path(folder), check)
                console.print(
                    f"seed {story.seed}: {len(story.answered)} commands, {len(story.happened)} troubles,"
                    f" nothing lost or doubled ({time.monotonic() - began:.0f} s)"
                )
            except Exception as error:
                failed.append(story.seed)
                console.print(
                    f"seed {story.seed} failed after {story.happened}: {error!r}"[:4_000], highlight=False, markup=False
                )
            progress.advance(task)
    if failed:
        console.print(f"Play a failed run again with: python -m tests.crash --commands {commands} --seed {failed[0]}")
        sys.exit(1)


if __name__ == "__main__":
    app()
