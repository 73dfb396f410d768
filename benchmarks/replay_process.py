"""A replay as people run it, watched: how fast it is, how much memory it takes, and what it says."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks.servers import Servers
from eventlog.topics import TopicSettings

_LOOK_SECONDS = 0.5
_DONE = re.compile(r"from \w+( store)?: ([\d,]+) of ([\d,]+) facts")


class ReplayFailed(Exception):
    """It ended with another status than 0. The message is what it said."""


class Watched(NamedTuple):
    """`seconds` from its beginning to the comparison's end; resident memory in megabytes: the most, and that half-way."""

    seconds: float
    memory_mb: float
    memory_half_way_mb: float
    said: str


class Progress(NamedTuple):
    done: int
    total: int


Interrupt = Callable[[Progress], bool]  # Whether to kill it here.


def replay(servers: Servers, database_url: str, topics: TopicSettings, source: str) -> Watched:
    """`python -m projections replay --all` to its end. Raises `ReplayFailed`."""
    watched = _run(servers, database_url, topics, source, lambda _: False)
    assert watched is not None, "nobody interrupts it"
    return watched


def kill_half_way(servers: Servers, database_url: str, topics: TopicSettings, source: str) -> float:
    """The same, ended by SIGKILL once half of its facts are done. Returns how many seconds it ran. Raises `ReplayFailed`."""
    began = time.perf_counter()
    _run(servers, database_url, topics, source, lambda progress: 2 * progress.done >= progress.total > 0)
    return time.perf_counter() - began


def _run(
    servers: Servers, database_url: str, topics: TopicSettings, source: str, interrupt: Interrupt
) -> Watched | None:
    with TemporaryDirectory(prefix="tillstream-bench-") as folder:
        log = Path(folder) / "log"
        command = [sys.executable, "-m", "projections", "replay", "--all", "--source", source, "--report", folder]
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                env={**os.environ, **servers.environment(database_url, topics), "PYTHONUNBUFFERED": "1"},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            samples: list[tuple[Progress, float]] = []
            while process.poll() is None:
                progress = _progress(log.read_text())
                samples.append((progress, _resident_mb(process.pid)))
                if interrupt(progress):
                    return None
                time.sleep(_LOOK_SECONDS)
        finally:
            process.kill()
            process.wait()
        said = log.read_text()
        if process.returncode != 0:
            raise ReplayFailed(said)
        return Watched(_seconds(Path(folder)), *_memory(samples), said)


def _progress(said: str) -> Progress:
    """What its last line says."""
    found = _DONE.findall(said)
    return Progress(*(int(number.replace(",", "")) for number in found[-1][1:])) if found else Progress(0, 0)


def _memory(samples: list[tuple[Progress, float]]) -> tuple[float, float]:
    half_way = [memory for progress, memory in samples if 2 * progress.done <= progress.total]
    return max(memory for _, memory in samples), max(half_way)


def _resident_mb(pid: int) -> float:
    asked = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return int(asked.stdout or 0) / 1024


def _seconds(folder: Path) -> float:
    [file] = folder.glob("*.json")
    report = json.loads(file.read_text())
    began, compared = (datetime.fromisoformat(report[name]) for name in ("began_at", "compared_at"))
    return (compared - began).total_seconds()
