"""Free ports: nobody uses them, and no two processes are given the same one."""

import socket
import subprocess
import sys

import pytest

from sandbox import addresses
from sandbox.addresses import LOOPBACK, free_port, is_free
from sandbox.errors import SandboxError

CHOOSES = """
from sandbox import addresses
if {port}:
    addresses._PORTS = range({port}, {port} + 1)
    addresses._CHANCE.sample = lambda ports, _: list(ports)
try:
    print(addresses.free_port())
except addresses.SandboxError:
    print("none")
"""


def chosen_elsewhere(port: int = 0) -> str:
    """What another process chooses that knows this port alone, or, where none is named, all of them."""
    return subprocess.run(
        [sys.executable, "-c", CHOOSES.format(port=port)], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_a_server_can_listen_at_a_free_port() -> None:
    with socket.create_server((LOOPBACK, free_port())):
        pass


def test_a_port_that_somebody_uses_is_not_free() -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        assert not is_free(server.getsockname()[1])


def test_a_port_that_was_chosen_here_is_chosen_by_no_other_process_though_nobody_listens_yet() -> None:
    port = free_port()

    assert is_free(port)
    assert chosen_elsewhere(port) == "none"


def test_a_port_can_be_chosen_again_when_the_process_that_chose_it_has_ended() -> None:
    port = chosen_elsewhere()

    assert chosen_elsewhere(int(port)) == port


def test_where_every_port_is_used_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "is_free", lambda port: False)

    with pytest.raises(SandboxError, match="No free port found"):
        free_port()
