"""`python -m benchmarks.empty_handler`: a server as the API has it, with a handler that does nothing. Listens at $PORT."""

import asyncio
import os

import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


async def nothing(_request: Request) -> Response:
    return Response()


def main() -> None:
    app = Starlette(routes=[Route("/{path:path}", nothing)])
    config = uvicorn.Config(
        app,
        port=int(os.environ["PORT"]),
        loop="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(uvicorn.Server(config).serve())


if __name__ == "__main__":
    main()
