"""The look-alike as a process: `run` serves it until it is told to stop, `create_app` is the application itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from sandbox.stripe import api, catalogue, checkout_page, control, invoice_page, pages, portal_page
from sandbox.stripe.account import Account, Settings
from sandbox.stripe.billing import ending, turning
from sandbox.stripe.faults import BreakableProtocol
from sandbox.stripe.paying import settle_when_due
from sandbox.stripe.resources import (
    balance_transactions,
    billing_portal,
    charges,
    checkout_sessions,
    customers,
    disputes,
    events,
    invoice_items,
    invoice_payments,
    invoices,
    meters,
    payment_intents,
    payment_methods,
    prices,
    products,
    refunds,
    subscription_items,
    subscriptions,
    test_clocks,
    webhook_endpoints,
)

ENDPOINTS = (
    *checkout_sessions.ENDPOINTS,
    *payment_intents.ENDPOINTS,
    *charges.ENDPOINTS,
    *refunds.ENDPOINTS,
    *disputes.ENDPOINTS,
    *balance_transactions.ENDPOINTS,
    *payment_methods.ENDPOINTS,
    *products.ENDPOINTS,
    *prices.ENDPOINTS,
    *customers.ENDPOINTS,
    *subscriptions.ENDPOINTS,
    *subscription_items.ENDPOINTS,
    *invoices.ENDPOINTS,
    *invoice_items.ENDPOINTS,
    *invoice_payments.ENDPOINTS,
    *billing_portal.ENDPOINTS,
    *meters.ENDPOINTS,
    *test_clocks.ENDPOINTS,
    *events.ENDPOINTS,
    *webhook_endpoints.ENDPOINTS,
)


STOP_SECONDS = 2
KEEP_ALIVE_SECONDS = (
    60  # Longer than clients keep a connection: one that is closed just when it is used again is no answer.
)


def run(
    port: int,
    data: Path,
    webhook_url: str | None,
    webhook_secret: str,
    api_key: str,
    *,
    host: str = "127.0.0.1",
    public_url: str | None = None,
) -> None:
    """Serve on `host:port` until SIGINT or SIGTERM.

    `data` is the folder that keeps the account. `public_url` is where browsers reach the checkout page when that is
    not the address served on, as from within a container.
    """
    settings = Settings(
        data=data,
        base_url=public_url or f"http://{host}:{port}",
        api_key=api_key,
        webhook_secret=webhook_secret,
        webhook_url=webhook_url,
    )
    uvicorn.Server(uvicorn_config(create_app(settings), host=host, port=port)).run()


def uvicorn_config(app: Starlette, host: str = "127.0.0.1", port: int = 0) -> uvicorn.Config:
    """How the application is served: connections can be broken on purpose, and a hanging call holds up no stop."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=BreakableProtocol,
        log_level="warning",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
    )


def create_app(settings: Settings) -> Starlette:
    """The application. Serve it as `uvicorn_config` says, or the faults that break a connection cannot."""
    account = Account(settings)
    account.agenda.deeds = deeds(account)
    with account.store.transaction():
        catalogue.lay_out(account)
        webhook_endpoints.put_first(account)
        checkout_sessions.move_pages(account)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with working(account):
            yield
        account.store.close()

    return Starlette(
        routes=[
            *api.routes(account, ENDPOINTS),
            *checkout_page.routes(account),
            *portal_page.routes(account),
            *invoice_page.routes(account),
            pages.ASSETS,
            *control.routes(account),
        ],
        exception_handlers={404: api.answer_unknown_address, 405: api.answer_unknown_address, 500: api.answer_broken},
        lifespan=lifespan,
    )


def deeds(account: Account) -> Mapping[str, Callable[[str], None]]:
    """What the agenda can do, by name; each takes the id of its object."""
    return {
        "arrive_at_time": partial(test_clocks.arrive, account),
        "book_charge": partial(charges.book, account),
        "expire_session": partial(checkout_sessions.expire_when_due, account),
        "give_up_invoice": partial(ending.give_up, account),
        "open_disputes": partial(disputes.open_when_due, account),
        "refer_refund": partial(refunds.refer, account),
        "settle_debit": partial(settle_when_due, account),
        "settle_refund": partial(refunds.settle_when_due, account),
        "tend_invoice": partial(turning.tend_invoice, account),
        "tend_subscription": partial(turning.tend_subscription, account),
    }


@asynccontextmanager
async def working(account: Account) -> AsyncIterator[None]:
    """The agenda is kept and webhooks are sent while inside."""
    tasks = [asyncio.create_task(account.agenda.run()), asyncio.create_task(account.deliveries.run())]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
