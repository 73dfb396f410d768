"""`python -m api`: serve HTTP. Everything that the process needs meets here."""

import asyncio
import os
import signal
from contextlib import AsyncExitStack

import structlog
import uvicorn
import uvloop

from api.app import create_app
from api.in_flight import InFlight
from api.project_cache import ProjectCache
from api.settings import ApiSettings
from api.state import Services
from api.wire import Protocol
from commands.notices import PostgresNotices
from commands.open_requests import PostgresOpenRequests
from commands.store.postgres import PostgresStore
from eventlog.feed import Feed
from gateways.errors import GatewayBusy, GatewayRefused, GatewayUnavailable
from gateways.port import Gateway
from projections import payments
from projections.generations import LiveGenerations
from runtime import logs, postgres, process, settings
from schemas.contracts import contracts
from schemas.registry import Registry
from vault.keys import LocalKeyWrapper
from vault.records import PostgresVault

log = structlog.get_logger()

STORE_CONNECTIONS = 10
READ_CONNECTIONS = 6
VAULT_CONNECTIONS = 6
GRACEFUL_SHUTDOWN_SECONDS = 25


async def serve(given: ApiSettings) -> None:
    """Open what the API needs, serve until told to stop, let requests in progress end, close everything again."""
    url = given.database_url
    async with AsyncExitStack() as closing:
        writes = postgres.pool(url, name="api store", size=STORE_CONNECTIONS, plans_once=True)
        reads = postgres.pool(url, name="api reads", size=READ_CONNECTIONS)
        personal = postgres.pool(url, name="api vault", size=VAULT_CONNECTIONS)
        for pool in (writes, reads, personal):
            await postgres.open_pool(pool, url, given.startup_seconds)
            closing.push_async_callback(pool.close)
        store = PostgresStore(writes)
        closing.push_async_callback(store.close)
        gateway = given.gateway(writes)
        closing.push_async_callback(gateway.close)
        lines = logs.Lines("request", "api", given.log_level)
        closing.callback(lines.flush)
        live = LiveGenerations(reads)
        services = Services(
            store=store,
            gateway=gateway,
            patient_gateway=gateway.in_background(),
            vault=PostgresVault(personal, LocalKeyWrapper(given.master_key)),
            open_requests=PostgresOpenRequests(writes),
            notices=PostgresNotices(writes),
            reads=reads,
            live=live,
            payments=payments.by_id(reads, live),
            standings=payments.standing_by_id(reads, live),
            feed=Feed(reads),
            projects=ProjectCache(store),
            in_flight=InFlight(),
            operator_token=given.operator_token,
            url=given.address,
        )
        server = uvicorn.Server(
            uvicorn.Config(
                create_app(services, Registry(contracts().values(), given.topic_prefix), note=lines),
                host=given.host,
                port=given.port,
                http=Protocol,
                loop="none",  # this one
                lifespan="off",  # opened above, closed below
                access_log=False,
                log_config=None,
                server_header=False,
                timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_SECONDS,
            )
        )
        for number in (signal.SIGTERM, signal.SIGINT):  # The server listens to them, and raises them again once it has
            signal.signal(number, signal.SIG_IGN)  # stopped: then there is still something to close here.
        greeting = asyncio.create_task(greet(gateway))
        closing.callback(greeting.cancel)
        process.is_built()
        log.info("serving", url=given.address)
        await server.serve()


async def greet(gateway: Gateway) -> None:
    """Say at the start whether the gateway can be used. Serving does not wait for it: queries and webhooks need no gateway."""
    try:
        await gateway.greet()
    except GatewayBusy:
        return  # It is there.
    except (GatewayUnavailable, GatewayRefused) as error:
        log.warning(
            "gateway_away",
            reason=error.message,
            until_then="payments are answered as unconfirmed, and opened once it answers",
            how="start it (`python -m sandbox stripe` starts a look-alike), or check STRIPE_API_BASE and STRIPE_SECRET_KEY",
        )


def main() -> None:
    given = settings.read(ApiSettings, os.environ)
    logs.configure("api", given.log_level)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(given))


if __name__ == "__main__":
    process.run(main, settings.SettingsInvalid, postgres.PostgresUnreachable)
