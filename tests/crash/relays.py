"""Relays before Postgres and Kafka that can lose an answer: of a COMMIT that was carried out, of a batch that was appended.

The request goes through whole, the server does what it asks, and the connection is cut when its answer has arrived here,
before a byte of that is passed on. To the client it was neither done nor refused.
"""

import asyncio
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Protocol

from sandbox.addresses import LOOPBACK

_CHUNK = 262_144


@dataclass
class Loss:
    """An answer that is to be lost: the next one that `concerns` says yes to. `happened` once it was."""

    concerns: Callable[[str, str], bool]  # application name and SQL; for Kafka both are empty
    taken: bool = False  # Some connection has sent what it is about, and waits for the answer.
    happened: threading.Event = field(default_factory=threading.Event)


class Ear(Protocol):
    """Hears what is said on one connection."""

    def asked(self, data: bytes) -> tuple[bytes, bytes]:
        """From the client: what goes on to the server, and what the relay answers itself."""
        ...

    def answered(self, data: bytes) -> bytes | None:
        """From the server: what goes on to the client; None where the connection is to be cut."""
        ...

    def over(self) -> None:
        """The connection ends. What was to be lost on it and was not may still be lost on another."""
        ...


class Relay:
    """Listens on one port and passes on to another, until its context is left."""

    def __init__(self, port: int, server_port: int, ear: Callable[["Relay"], Ear]) -> None:
        self.port = port
        self._server_port = server_port
        self._ear = ear
        self.losses: list[Loss] = []

    @contextmanager
    def lose(self, concerns: Callable[[str, str], bool] = lambda *_: True) -> Iterator[threading.Event]:
        """Lose the next answer to such a request, once, while the context lasts. Lends what is set when it has happened."""
        loss = Loss(concerns)
        self.losses.append(loss)
        try:
            yield loss.happened
        finally:
            self.losses.remove(loss)

    def wanted(self, application: str = "", sql: str = "") -> Loss | None:
        """The loss that this request is to suffer, taken."""
        for loss in self.losses:
            if not loss.taken and not loss.happened.is_set() and loss.concerns(application, sql):
                loss.taken = True
                return loss
        return None

    async def start(self) -> asyncio.Server:
        """Relay from now on, in the running loop."""
        return await asyncio.start_server(self._serve, LOOPBACK, self.port, limit=_CHUNK)

    async def _serve(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        ear = self._ear(self)
        try:
            from_server, to_server = await asyncio.open_connection(LOOPBACK, self._server_port, limit=_CHUNK)
        except OSError:
            to_client.transport.abort()
            return
        there = asyncio.create_task(_ask(from_client, to_server, to_client, ear))
        back = asyncio.create_task(_answer(from_server, to_client, ear))
        try:
            await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in (there.cancel, back.cancel, to_server.close, to_client.close, ear.over):
                end()


async def _ask(
    source: asyncio.StreamReader, server: asyncio.StreamWriter, client: asyncio.StreamWriter, ear: Ear
) -> None:
    with suppress(OSError):
        while data := await source.read(_CHUNK):
            onward, reply = ear.asked(data)
            if reply:
                client.write(reply)
            if onward:
                server.write(onward)
                await server.drain()


async def _answer(source: asyncio.StreamReader, client: asyncio.StreamWriter, ear: Ear) -> None:
    with suppress(OSError):
        while data := await source.read(_CHUNK):
            onward = ear.answered(data)
            if onward is None:
                client.transport.abort()
                return
            if onward:
                client.write(onward)
                await client.drain()


@contextmanager
def running(*relays: Relay) -> Iterator[None]:
    """Run these relays in a thread of their own while the context lasts."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="relays", daemon=True)
    thread.start()
    try:
        servers = [asyncio.run_coroutine_threadsafe(relay.start(), loop).result(10) for relay in relays]
        yield
        for server in servers:
            loop.call_soon_threadsafe(server.close)
    finally:
        asyncio.run_coroutine_threadsafe(_end_all(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


# Postgres.

_SSL, _GSS, _CANCEL = 80_877_103, 80_877_104, 80_877_102


def commits(sql: str) -> bool:
    """Whether this statement's answer says that something is recorded: a COMMIT, or the append, which commits by itself."""
    return sql.strip().upper() == "COMMIT" or "into_outbox" in sql


class PostgresEar:
    """Follows the protocol (version 3) of one connection: https://www.postgresql.org/docs/current/protocol.html"""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._application = ""
        self._begun = self._deaf = False
        self._prepared: dict[bytes, str] = {}
        self._from_client = self._from_server = b""
        self._syncs = self._readies = 0
        self._loss: Loss | None = None
        self._lost_with = 0  # The answer is complete with this ReadyForQuery.
        self._held = b""
        self._refused = False

    def asked(self, data: bytes) -> tuple[bytes, bytes]:
        if self._deaf:
            return data, b""
        if not self._begun:
            return self._greeted(data)
        self._from_client += data
        at = 0
        while len(self._from_client) - at >= 5:
            kind, length = self._from_client[at : at + 1], _int32(self._from_client, at + 1)
            if len(self._from_client) - at < 1 + length:
                break
            self._said(kind, self._from_client[at + 5 : at + 1 + length])
            at += 1 + length
        self._from_client = self._from_client[at:]
        return data, b""

    def answered(self, data: bytes) -> bytes | None:
        if self._deaf or not self._begun:
            return data
        self._from_server += data
        if self._loss is not None:
            self._held += data
        at = 0
        while len(self._from_server) - at >= 5:
            kind, length = self._from_server[at : at + 1], _int32(self._from_server, at + 1)
            if len(self._from_server) - at < 1 + length:
                break
            if kind == b"E":
                self._refused = True
            elif kind == b"Z":
                self._readies += 1
                if self._loss is not None and self._readies >= self._lost_with:
                    if not self._refused:
                        self._loss.happened.set()
                        return None
                    self.over()  # It was not carried out, so there is no answer to lose.
                    self._refused = False
            at += 1 + length
        self._from_server = self._from_server[at:]
        if self._loss is not None:
            return b""
        held, self._held = self._held, b""
        return held or data

    def over(self) -> None:
        if self._loss is not None and not self._loss.happened.is_set():
            self._loss.taken = False
        self._loss = None

    def _greeted(self, data: bytes) -> tuple[bytes, bytes]:
        """Encryption is declined here, for then there would be nothing to hear."""
        code = _int32(data, 4)
        if code in (_SSL, _GSS):
            return b"", b"N"
        if code == _CANCEL:
            self._deaf = True
            return data, b""
        words = data[8:].split(b"\0")
        given = dict(zip(words[::2], words[1::2], strict=False))
        self._application = given.get(b"application_name", b"").decode()
        self._begun = True
        return data, b""

    def _said(self, kind: bytes, body: bytes) -> None:
        if kind == b"Q":
            self._executes(body.rstrip(b"\0").decode(errors="replace"))
            self._syncs += 1
        elif kind == b"P":
            name, sql = body.split(b"\0", 2)[:2]
            self._prepared[name] = sql.decode(errors="replace")
        elif kind == b"B":
            self._executes(self._prepared.get(body.split(b"\0", 2)[1], ""))
        elif kind == b"S":
            self._syncs += 1

    def _executes(self, sql: str) -> None:
        if self._loss is None and commits(sql) and (loss := self._relay.wanted(self._application, sql)):
            self._loss, self._lost_with, self._refused = loss, self._syncs + 1, False


# Kafka.

_PRODUCE = 0


class KafkaEar:
    """Follows the frames of one connection: https://kafka.apache.org/protocol"""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._from_client = self._from_server = b""
        self._loss: Loss | None = None
        self._correlation = 0

    def asked(self, data: bytes) -> tuple[bytes, bytes]:
        self._from_client += data
        at = 0
        while len(self._from_client) - at >= 12:
            length, api, _, correlation = struct.unpack_from(">ihhi", self._from_client, at)
            if len(self._from_client) - at < 4 + length:
                break
            if api == _PRODUCE and self._loss is None and (loss := self._relay.wanted()):
                self._loss, self._correlation = loss, correlation
            at += 4 + length
        self._from_client = self._from_client[at:]
        return data, b""

    def answered(self, data: bytes) -> bytes | None:
        self._from_server += data
        at = 0
        while len(self._from_server) - at >= 8:
            length, correlation = struct.unpack_from(">ii", self._from_server, at)
            if len(self._from_server) - at < 4 + length:
                break
            if self._loss is not None and correlation == self._correlation:
                self._loss.happened.set()
                return None
            at += 4 + length
        self._from_server = self._from_server[at:]
        return b"" if self._loss is not None else data

    def over(self) -> None:
        if self._loss is not None and not self._loss.happened.is_set():
            self._loss.taken = False
        self._loss = None


def _int32(data: bytes, at: int) -> int:
    value: int = struct.unpack_from(">i", data, at)[0]
    return value
