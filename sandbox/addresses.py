"""Addresses on this machine: free ports, and whether something answers at one."""

import random
import socket

from sandbox.errors import SandboxError

LOOPBACK = "127.0.0.1"

# Below the ranges from which Linux (32768) and macOS (49152) number outgoing connections. A server that is down on
# purpose must find its port free when it returns, and a client that keeps trying a port of those ranges can, by
# chance, be given that very port for its own end and connect to itself.
_PORTS = range(15_000, 32_000)


def free_port() -> int:
    """Choose a loopback TCP port that nobody uses now."""
    for port in random.sample(_PORTS, 200):
        if is_free(port):
            return port
    raise SandboxError(f"No free port found between {_PORTS.start} and {_PORTS.stop} on {LOOPBACK}.")


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
