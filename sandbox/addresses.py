"""Addresses on this machine: free ports, and whether something answers at one."""

import fcntl
import os
import random
import socket
import tempfile
from collections import deque
from pathlib import Path

from sandbox.errors import SandboxError

LOOPBACK = "127.0.0.1"

# Below the ranges from which Linux (32768) and macOS (49152) number outgoing connections. A server that is down on
# purpose must find its port free when it returns, and a client that keeps trying a port of those ranges can, by
# chance, be given that very port for its own end and connect to itself.
_PORTS = range(15_000, 32_000)

_CHANCE = random.SystemRandom()  # Where tests fix the seed of all others, two processes would choose alike.
_MOST_CLAIMS = 64  # Of the last ports that were chosen here: those before them are in use by now, or given up.
_claims: deque[int] = deque()


def free_port() -> int:
    """Choose a loopback TCP port that nobody uses now, nor was just told to use: a server takes seconds to listen."""
    for port in _CHANCE.sample(_PORTS, 200):
        if is_free(port) and _claim(port):
            return port
    raise SandboxError(f"No free port found between {_PORTS.start} and {_PORTS.stop} on {LOOPBACK}.")


def _claim(port: int) -> bool:
    """Claim a port among this user's processes for as long as this one lives. False if another one did."""
    folder = Path(tempfile.gettempdir()) / f"tillstream-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    claim = os.open(folder / str(port), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(claim)
        return False
    _claims.append(claim)
    if len(_claims) > _MOST_CLAIMS:
        os.close(_claims.popleft())
    return True


def is_free(port: int) -> bool:
    """Say whether a server could listen on this loopback port now."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def accepts_connections(port: int) -> bool:
    """Say whether something listens on this loopback port: a cheap question to ask before one in its protocol."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=1).close()
    except OSError:
        return False
    return True
