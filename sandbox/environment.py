"""What the local platform keeps and tells: its folders, its lock, its secrets, and `.run/env`."""

import base64
import fcntl
import json
import os
import secrets
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox.errors import SandboxError

CHECKOUT = Path(__file__).absolute().parent.parent

# What `.run/env` holds, in this order: all that a program needs to talk to the running platform.
PUBLISHED = (
    "TILLSTREAM_URL",
    "TILLSTREAM_OPERATOR_TOKEN",
    "DATABASE_URL",
    "KAFKA_BOOTSTRAP_SERVERS",
    "KAFKA_TOPIC_PREFIX",
    "KAFKA_TOPIC_REPLICATION",
    "KAFKA_TOPIC_MIN_ISR",
    "SCHEMA_REGISTRY_URL",
    "STRIPE_API_BASE",
    "STRIPE_WEBHOOK_SECRET",
)


class AlreadyRunning(SandboxError):
    """Another `up` holds the lock of this checkout."""


@dataclass(frozen=True)
class Folders:
    """Where the platform keeps things: what lasts in `data`, what belongs to one run in `run`."""

    run: Path
    data: Path

    @classmethod
    def of_checkout(cls, data: Path | None = None) -> "Folders":
        """`.run` in the checkout, with the data in `.run/data` or where the caller says."""
        run = CHECKOUT / ".run"
        return cls(run, data.expanduser().absolute() if data else run / "data")

    @property
    def logs(self) -> Path:
        return self.run / "logs"

    @property
    def env(self) -> Path:
        return self.run / "env"


@dataclass(frozen=True)
class Secrets:
    """Made at the first start and kept with the data, readable by their owner only."""

    master_key: str  # Wraps the vault's data keys: 32 bytes, base64. Without it the sealed data is lost.
    signing_key: str  # Signs checkpoints of the log: 32 bytes, base64.
    operator_token: str
    stripe_secret_key: str  # These two are for the look-alike only.
    stripe_webhook_secret: str

    @classmethod
    def kept_in(cls, data: Path) -> "Secrets":
        """Read those of this data folder, making what is not there yet."""
        folder = data / "secrets"
        folder.mkdir(parents=True, exist_ok=True)
        return cls(
            master_key=kept(folder / "master_key", lambda: base64.b64encode(secrets.token_bytes(32)).decode()),
            signing_key=kept(folder / "signing_key", lambda: base64.b64encode(secrets.token_bytes(32)).decode()),
            operator_token=kept(folder / "operator_token", lambda: f"op_{secrets.token_urlsafe(32)}"),
            stripe_secret_key=kept(folder / "stripe_secret_key", lambda: f"sk_test_{secrets.token_hex(24)}"),
            stripe_webhook_secret=kept(folder / "stripe_webhook_secret", lambda: f"whsec_{secrets.token_hex(24)}"),
        )


def kept(file: Path, make: Callable[[], str]) -> str:
    """Read a secret from its file; if there is none yet, make it and keep it (mode 0600)."""
    if not file.exists():
        new = file.with_suffix(".new")
        _write_private(new, make())
        new.replace(file)  # Whole or not at all: half a key would seal data that nobody can open.
    return file.read_text()


@contextmanager
def published(file: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Keep the PUBLISHED variables in a dotenv file (mode 0600) while the context lasts."""
    _write_private(file, "".join(f"{name}={shlex.quote(environment[name])}\n" for name in PUBLISHED))
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def of_running(folders: Folders) -> Mapping[str, str] | None:
    """The PUBLISHED variables of the platform that runs on these folders; None where none does."""
    try:
        with only_one(folders.run, ""):
            return None
    except AlreadyRunning:
        lines = shlex.split(folders.env.read_text()) if folders.env.exists() else []
        return dict(line.split("=", 1) for line in lines) or None


@contextmanager
def only_one(run: Path, url: str) -> Iterator[None]:
    """Hold the lock of this run folder, naming our address in it. Raises AlreadyRunning with the other's address.

    The system lets go of it when the process ends, however it ends.
    """
    run.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(run / "lock", os.O_RDWR | os.O_CREAT, 0o644), "r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _already_running(lock.read()) from None
        lock.truncate()
        lock.write(json.dumps({"pid": os.getpid(), "url": url}))
        lock.flush()
        yield
        lock.truncate(0)


def _already_running(holder: str) -> AlreadyRunning:
    known = json.loads(holder or "{}")
    where = f" at {known['url']} (process {known['pid']})" if known else ""
    return AlreadyRunning(f"The local platform is running already{where}. End it with Ctrl-C where it was started.")


def _write_private(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)  # The mode counts only for a file that is created.
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as new:
        new.write(text)
