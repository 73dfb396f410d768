"""The Stripe look-alike as a process beside the others: its address, its keys, its readiness."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from sandbox.addresses import LOOPBACK, accepts_connections
from sandbox.part import Part


@dataclass(frozen=True, kw_only=True)
class LookAlike:
    """One look-alike on one data folder and port, which tells one endpoint of the service what happens."""

    folder: Path
    port: int
    webhook_url: str
    webhook_secret: str
    api_key: str

    @property
    def api_base(self) -> str:
        """What Stripe's SDK is given instead of Stripe's own address."""
        return f"http://{LOOPBACK}:{self.port}"

    def part(self) -> Part:
        """The look-alike as something to start."""
        return Part(name="stripe", command=self._command, ready=self.is_ready, is_server=True)

    def is_ready(self) -> bool:
        """Say whether it answers."""
        return accepts_connections(self.port) and is_ok(f"{self.api_base}/sandbox/health")

    def _command(self) -> Sequence[str]:
        return [
            *(sys.executable, "-m", "sandbox", "stripe", "--port", str(self.port), "--data", str(self.folder)),
            *("--webhook-url", self.webhook_url, "--webhook-secret", self.webhook_secret, "--api-key", self.api_key),
        ]


def is_ok(url: str) -> bool:
    """Say whether a GET of this URL answers 200 within two seconds. Proxies are for elsewhere, not for loopback."""
    try:
        return httpx.get(url, timeout=2, trust_env=False).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
