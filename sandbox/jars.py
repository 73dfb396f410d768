"""Apache Kafka's jars: which they are, pinned with their hashes, and the folder that holds them.

The folder lies in a cache outside the checkout: `$TILLSTREAM_CACHE`, or `tillstream` in `$XDG_CACHE_HOME` or
`~/.cache`. It appears only when every jar is there and is what is pinned in `jars.sha256` beside this module.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from sandbox.artifact import Jar, sha256
from sandbox.errors import SandboxError

PINNED = Path(__file__).with_suffix(".sha256")


class JarsUnavailable(SandboxError):
    """Kafka's jars are not in the cache and could not be fetched, or were not what they should be."""


def cache_folder() -> Path:
    """Where downloads are kept between runs and between checkouts."""
    if chosen := os.environ.get("TILLSTREAM_CACHE"):
        return Path(chosen).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").expanduser() / "tillstream"


def pinned_jars() -> list[Jar]:
    """The jars that Kafka runs on."""
    rows = (line.split() for line in PINNED.read_text().splitlines())
    return [Jar(sha256, *coordinate.split(":")) for sha256, coordinate in rows]


def pinned_digest() -> str:
    """A short name for this version of the list; whatever is made from these jars can carry it."""
    return hashlib.sha256(PINNED.read_bytes()).hexdigest()[:12]


def kafka_jars() -> Path:
    """Return the folder that holds Kafka's jars, fetching them first if they are not there.

    Safe to call from several processes at once: one fetches, the others wait. Raises JarsUnavailable.
    """
    folder = _folder()
    if not folder.exists():
        with _only_one_process(folder.with_suffix(".lock")):
            if not folder.exists():
                _fetch_all(pinned_jars(), folder)
    return folder


def are_here() -> bool:
    """Say whether `kafka_jars` will answer without the network."""
    return _folder().exists()


def _folder() -> Path:
    return cache_folder() / f"kafka-{pinned_digest()}"


def _fetch_all(jars: Sequence[Jar], folder: Path) -> None:
    """Fetch into a folder beside it, and give that its name when it is complete."""
    from sandbox import maven  # Takes half a second to import, and is needed once in a machine's life.

    with TemporaryDirectory(dir=folder.parent, prefix="fetching-") as temporary:
        complete = Path(temporary) / "jars"
        complete.mkdir()
        try:
            for jar, path in maven.download(jars, complete):
                _check(jar, path)
        except OSError as error:
            raise JarsUnavailable(
                f"Kafka's jars could not be fetched from Maven Central ({error}). They are needed once. "
                "Connect to the network and try again, or set KAFKA_BOOTSTRAP_SERVERS to a Kafka that runs already."
            ) from error
        complete.replace(folder)


def _check(jar: Jar, path: Path) -> None:
    if (found := sha256(path)) != jar.sha256:
        raise JarsUnavailable(
            f"{jar.filename} is not the file that is pinned: its SHA-256 is {found}, not {jar.sha256}. "
            "Something between here and Maven Central changed it; nothing of it was kept."
        )


@contextmanager
def _only_one_process(lock: Path) -> Iterator[None]:
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
