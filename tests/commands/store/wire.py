"""A wire to Postgres that can be cut on purpose, at the worst moment."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit


class Wire:
    """A TCP proxy on a port of its own."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._server: asyncio.Server | None = None
        self._lines: set[asyncio.Task[None]] = set()
        self._marker: bytes | None = None
        self._is_down = asyncio.Event()
        self.port = 0
        self.answers_lost = 0

    def lose_answer_to(self, marker: bytes) -> None:
        """Deliver the next request with these bytes in it, wait for its answer, then cut the line instead of giving it."""
        self._marker = marker

    async def up(self) -> None:
        self._is_down = asyncio.Event()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def down(self) -> None:
        """Take no more connections, and cut those there are."""
        assert self._server is not None
        self._server.close()
        self._is_down.set()  # Not by cancelling: a line that is just being connected would leave its end open.
        await asyncio.gather(*self._lines, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = asyncio.create_task(self._carry(reader, writer))
        self._lines.add(line)
        line.add_done_callback(self._lines.discard)
        line.add_done_callback(lambda _: writer.close())  # Also where it was cut before it carried anything.

    async def _carry(self, client_reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        server_reader, server = await asyncio.open_connection(*self._target)
        cut = asyncio.Event()
        ways: list[asyncio.Task[Any]] = [
            asyncio.create_task(self._there(client_reader, server, cut)),
            asyncio.create_task(self._back(server_reader, client, cut)),
            asyncio.create_task(self._is_down.wait()),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for end in (client, server):
                end.close()
            await asyncio.gather(client.wait_closed(), server.wait_closed(), return_exceptions=True)

    async def _there(self, client: asyncio.StreamReader, server: asyncio.StreamWriter, cut: asyncio.Event) -> None:
        while request := await client.read(65536):
            if self._marker and self._marker in request:
                self._marker = None
                cut.set()
            server.write(request)
            await server.drain()

    async def _back(self, server: asyncio.StreamReader, client: asyncio.StreamWriter, cut: asyncio.Event) -> None:
        while answer := await server.read(65536):
            if cut.is_set():
                self.answers_lost += 1
                return
            client.write(answer)
            await client.drain()


@asynccontextmanager
async def wire(database_url: str) -> AsyncIterator[tuple[Wire, str]]:
    """A wire to this database, and the URL of the database at its near end."""
    parts = urlsplit(database_url)
    assert parts.hostname is not None
    made = Wire(parts.hostname, parts.port or 5432)
    await made.up()
    credentials, _, _ = parts.netloc.rpartition("@")
    try:
        yield made, urlunsplit(parts._replace(netloc=f"{credentials}@127.0.0.1:{made.port}"))
    finally:
        await made.down()
