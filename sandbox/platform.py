"""The whole local platform as one thing: what is started in which order, and where everything then is."""

import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from sandbox import kafka, postgres
from sandbox.addresses import LOOPBACK, free_port, is_free
from sandbox.environment import Folders, Secrets, only_one, published
from sandbox.errors import SandboxError
from sandbox.kafka import Kafka
from sandbox.lookalike import LookAlike, is_ok
from sandbox.part import Part, at_once
from sandbox.postgres import Postgres
from sandbox.supervisor import Supervisor


@dataclass(frozen=True)
class Process:
    """One process of the service: its module with arguments, and what must be there before it."""

    module: tuple[str, ...]
    after: tuple[str, ...]


SERVICE = {
    "migrations": Process(("migrations", "up"), after=("postgres",)),
    "api": Process(("api",), after=("migrations", "stripe")),
    "publisher": Process(("commands", "publisher"), after=("migrations", "kafka")),
    "projector": Process(("consumers", "projector"), after=("migrations", "kafka")),
    "reconciler": Process(("consumers", "reconciler"), after=("migrations", "stripe")),
    "reactions": Process(("consumers", "reactions"), after=("migrations", "kafka")),
}

_GIVEN_ANSWERS_WITHIN_SECONDS = 15


class PortInUse(SandboxError):
    """Somebody else listens where the API was to listen."""


class Platform:
    """Postgres, Kafka, the Stripe look-alike and the service, from `with Platform(…)` until its end.

    `environment` holds every variable that the service's processes get. `parts` is their supervisor: through it a test
    kills, stops, pauses and starts again `postgres`, `kafka`, `stripe`, `api`, `publisher`, `projector`, `reconciler`,
    `reactions`.
    A server that `given` names (DATABASE_URL, KAFKA_BOOTSTRAP_SERVERS, STRIPE_API_BASE, or a STRIPE_SECRET_KEY for
    Stripe itself) is used as it is, and none is started for it.
    """

    def __init__(
        self,
        folders: Folders,
        *,
        port: int = 0,
        given: Mapping[str, str] = os.environ,
        say: Callable[[str], None] = print,
    ) -> None:
        """Port 0 chooses a free one for the API, as is always done for the servers."""
        self.folders = folders
        self.port = port or free_port()
        self.url = f"http://{LOOPBACK}:{self.port}"
        self.parts = Supervisor(folders.logs, say)
        self.environment: dict[str, str] = {}
        self._given = {name: value for name, value in given.items() if value}
        self._servers: list[Part] = []
        self._undo = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            undo.enter_context(only_one(self.folders.run, self.url))
            self._prepare()
            undo.enter_context(self.parts)
            self._start()
            undo.enter_context(published(self.folders.env, self.environment))
            self._undo = undo.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._undo.close()

    def runs(self, server: str) -> bool:
        """Say whether this server is one of ours, and not one that was given."""
        return any(part.name == server for part in self._servers)

    def _prepare(self) -> None:
        if not is_free(self.port):
            raise PortInUse(f"Port {self.port} is in use: choose another for the API with --port N or TILLSTREAM_PORT.")
        secrets = Secrets.kept_in(self.folders.data)
        self.environment = {
            "TILLSTREAM_HOST": LOOPBACK,
            "TILLSTREAM_PORT": str(self.port),
            "TILLSTREAM_URL": self.url,
            "TILLSTREAM_OPERATOR_TOKEN": self._given.get("TILLSTREAM_OPERATOR_TOKEN", secrets.operator_token),
            "TILLSTREAM_MASTER_KEY": self._given.get("TILLSTREAM_MASTER_KEY", secrets.master_key),
            "TILLSTREAM_SIGNING_KEY": self._given.get("TILLSTREAM_SIGNING_KEY", secrets.signing_key),
            "SCHEMA_REGISTRY_URL": f"{self.url}/registry",
            **self._postgres(),
            **self._kafka(),
            **self._stripe(secrets),
        }

    def _postgres(self) -> dict[str, str]:
        if url := self._given.get("DATABASE_URL"):
            return {"DATABASE_URL": url}
        server = Postgres(self.folders.data / "postgres", free_port())
        self._servers.append(server.part())
        return {"DATABASE_URL": server.url}

    def _kafka(self) -> dict[str, str]:
        one_broker = {"KAFKA_TOPIC_PREFIX": "tillstream.", "KAFKA_TOPIC_REPLICATION": "1", "KAFKA_TOPIC_MIN_ISR": "1"}
        topics = {name: self._given.get(name, value) for name, value in one_broker.items()}
        if bootstrap_servers := self._given.get("KAFKA_BOOTSTRAP_SERVERS"):
            return {**topics, "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers}
        server = Kafka(self.folders.data / "kafka", free_port(), free_port())
        self._servers.append(server.part())
        return {**topics, "KAFKA_BOOTSTRAP_SERVERS": server.bootstrap_servers}

    def _stripe(self, secrets: Secrets) -> dict[str, str]:
        if "STRIPE_API_BASE" in self._given or "STRIPE_SECRET_KEY" in self._given:
            return self._given_stripe()
        server = LookAlike(
            folder=self.folders.data / "stripe",
            port=free_port(),
            webhook_url=f"{self.url}/webhooks/stripe",
            webhook_secret=secrets.stripe_webhook_secret,
            api_key=secrets.stripe_secret_key,
        )
        self._servers.append(server.part())
        return {
            "STRIPE_API_BASE": server.api_base,
            "STRIPE_SECRET_KEY": server.api_key,
            "STRIPE_WEBHOOK_SECRET": server.webhook_secret,
        }

    def _given_stripe(self) -> dict[str, str]:
        missing = [name for name in ("STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET") if name not in self._given]
        if missing:
            raise SandboxError(
                f"{' and '.join(missing)} must be set too, because the environment names the Stripe to use "
                "(STRIPE_API_BASE, or STRIPE_SECRET_KEY alone for Stripe itself). Unset both for the look-alike."
            )
        return {
            "STRIPE_API_BASE": self._given.get("STRIPE_API_BASE", "https://api.stripe.com"),
            "STRIPE_SECRET_KEY": self._given["STRIPE_SECRET_KEY"],
            "STRIPE_WEBHOOK_SECRET": self._given["STRIPE_WEBHOOK_SECRET"],
        }

    def _start(self) -> None:
        self._expect_given("DATABASE_URL", postgres.answers)
        self._expect_given("KAFKA_BOOTSTRAP_SERVERS", kafka.answers)
        self.parts.start(*self._servers, *(self._process(name) for name in SERVICE))

    def _expect_given(self, variable: str, answers: Callable[[str], bool]) -> None:
        """Wait a little for a server that is not ours."""
        if variable not in self._given:
            return
        deadline = time.monotonic() + _GIVEN_ANSWERS_WITHIN_SECONDS
        while not answers(self._given[variable]):
            if time.monotonic() > deadline:
                raise SandboxError(
                    f"{variable} is set in the environment, and nothing usable answers there. Start that server, or "
                    f"unset {variable} and the local platform starts one of its own."
                )
            self.parts.wait_a_moment()

    def _process(self, name: str) -> Part:
        process = SERVICE[name]

        def command() -> list[str]:
            return [sys.executable, "-m", *process.module]

        return Part(
            name=name,
            command=command,
            environment=self.environment,
            after=tuple(other for other in process.after if other in SERVICE or self.runs(other)),
            ends=name == "migrations",
            ready=self._api_is_ready if name == "api" else at_once,
        )

    def _api_is_ready(self) -> bool:
        return is_ok(f"{self.url}/health/ready")
