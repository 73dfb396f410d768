"""From nothing to the first event that a consumer has read, beside the installation alone; a broker's start with its cache."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from benchmarks.row import Claim, Figures, Row, Sides
from benchmarks.servers import Servers
from sandbox import kafka
from sandbox.addresses import free_port
from sandbox.kafka import Kafka
from sandbox.part import Part
from sandbox.supervisor import Supervisor

_CHECKOUT = Path(__file__).parents[1]
_CONSUMED = "read from Kafka by a stock Avro deserializer"  # What the demo prints above the events that came back.


class InstallationFailed(Exception):
    """It ended with another status than 0. The message is what it said."""


@contextmanager
def prepare(_servers: Servers, _share: float) -> Iterator[Sides]:
    """Each time a checkout with no virtual environment and with empty caches: everything is downloaded."""
    yield Sides(ceiling=lambda: _from_nothing("install"), ours=lambda: _from_nothing("demo", until=_CONSUMED))


@contextmanager
def prepare_broker(_servers: Servers, _share: float) -> Iterator[Sides]:
    """Both on data that is formatted. The cache is made first, once for a machine."""
    if not kafka.is_trained():
        kafka.train()
    with tempfile.TemporaryDirectory(prefix="tillstream-bench-") as folder:
        part = Kafka(Path(folder), free_port(), free_port()).part()
        _start(part)
        bare = replace(part, command=lambda: [word for word in part.command() if not word.startswith("-XX:AOTCache=")])
        yield Sides(ceiling=lambda: _start(bare), ours=lambda: _start(part))


def _start(part: Part) -> Figures:
    """Seconds from the start of its process until it answers."""
    with (
        tempfile.TemporaryDirectory(prefix="tillstream-bench-") as logs,
        Supervisor(Path(logs), lambda _: None) as parts,
    ):
        began = time.perf_counter()
        parts.start(part)
        return {"seconds": time.perf_counter() - began}


def _from_nothing(target: str, until: str = "") -> Figures:
    """Seconds of `make TARGET` in a copy of the checkout, or to the line that holds `until`."""
    with tempfile.TemporaryDirectory(prefix="tillstream-bench-", ignore_cleanup_errors=True) as folder:
        checkout, caches = Path(folder) / "checkout", Path(folder) / "caches"
        subprocess.run(["git", "clone", "--quiet", str(_CHECKOUT), str(checkout)], check=True)
        began = time.perf_counter()
        return {"seconds": _until(["make", target], checkout, _without_caches(caches), until) - began}


def _without_caches(folder: Path) -> Mapping[str, str]:
    own = {"XDG_CACHE_HOME": str(folder), "PIP_NO_CACHE_DIR": "1", "UV_CACHE_DIR": str(folder / "uv")}
    mine = {name: value for name, value in os.environ.items() if not name.startswith(("TILLSTREAM_", "VIRTUAL_ENV"))}
    return {**mine, **own, "PYTHON": getattr(sys, "_base_executable", sys.executable), "PYTHONUNBUFFERED": "1"}


def _until(command: Sequence[str], folder: Path, environment: Mapping[str, str], words: str) -> float:
    """When it had said these words, or had ended where there are none. Waits for its end in both cases."""
    said, at = [], 0.0
    with subprocess.Popen(
        command, cwd=folder, env=dict(environment), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None, "a pipe was asked for"
        for line in process.stdout:
            said.append(line)
            if words and words in line:
                at = time.perf_counter()
    if process.returncode != 0 or (words and not at):
        raise InstallationFailed("".join(said))
    return at or time.perf_counter()


ROW = Row(
    name="arriving",
    ceiling="make install in a fresh checkout, nothing cached",
    ours="make demo in a fresh checkout, nothing cached, until a consumer has read the first events",
    claims=(Claim(figure="seconds", unit="s", aim=1.4, better="lower"),),
    prepare=prepare,
    takes_long=True,
)
BROKER = Row(
    name="broker",
    ceiling="a broker's start on formatted data until it answers",
    ours="the same with its cache of loaded classes",
    claims=(Claim(figure="seconds", unit="s", aim=None, better="lower"),),
    prepare=prepare_broker,
)
