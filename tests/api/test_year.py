"""A year of monthly renewals, as `make year` shows it: lived through the API, the real store and the real read models."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from io import StringIO
from typing import Any

import httpx
import psycopg
import pytest
from rich.console import Console

from api.state import Services
from gateways.stripe.client import StripeGateway
from sandbox.calls import Call, answer
from sandbox.year import MONTHS, Entry, Stripe, Year, show
from tests.api.reading import catch_up
from tests.api.shop import OPERATOR_TOKEN
from tests.api.subscribing import deliver
from tests.sandbox.stripe.lookalike import API_KEY, WEBHOOK_SECRET, LookAlike
from tests.sandbox.stripe.receiver import Receiver

FAILS, CHANGES, REFUNDED = 4, 7, 10  # which renewals


@pytest.fixture
async def gateway(own_lookalike: LookAlike) -> AsyncIterator[StripeGateway]:
    """To a look-alike whose year is nobody else's."""
    opened = StripeGateway(API_KEY, [WEBHOOK_SECRET], own_lookalike.address)
    yield opened
    await opened.close()


class Desk:
    """Calls the application from another thread. Before each call it hears what Stripe sent, and before reads shows it."""

    def __init__(self, client: httpx.AsyncClient, receiver: Receiver, database_url: str) -> None:
        self._client, self._receiver, self._database_url = client, receiver, database_url
        self._loop = asyncio.get_running_loop()
        self._heard = len(receiver.arrivals)

    def calls(self, key: str) -> Call:
        def call(method: str, path: str, body: Any = None) -> Any:
            asked = self._ask(method, path, body, {"Authorization": f"Bearer {key}"})
            return answer(asyncio.run_coroutine_threadsafe(asked, self._loop).result())

        return call

    async def _ask(self, method: str, path: str, body: Any, headers: dict[str, str]) -> httpx.Response:
        arrived = self._receiver.arrivals[self._heard :]
        self._heard += len(arrived)
        for arrival in arrived:
            assert (await deliver(self._client, arrival)).status_code == 200
        if arrived or method == "POST":
            await asyncio.to_thread(catch_up, self._database_url)
        response = await self._client.request(method, path, json=body, headers=headers)
        if method == "POST":
            await asyncio.to_thread(catch_up, self._database_url)
        return response


@pytest.fixture
async def year(
    real_services: Services,
    client_of: Callable[[Services], httpx.AsyncClient],
    own_lookalike: LookAlike,
    receiver: Receiver,
    database_url: str,
) -> Sequence[Entry]:
    async with client_of(real_services) as client:
        await asyncio.to_thread(catch_up, database_url)
        desk = Desk(client, receiver, database_url)
        with httpx.Client(trust_env=False, timeout=30) as http:
            stripe = Stripe(http, own_lookalike.address, API_KEY)
            return await asyncio.to_thread(Year(desk.calls(OPERATOR_TOKEN), desk.calls, stripe).live)


async def test_each_month_is_paid_and_credited_once_and_the_trail_tells_all_of_it_in_order(
    year: Sequence[Entry], own_lookalike: LookAlike, database_url: str
) -> None:
    # Complete, and in order: exactly the facts that were recorded.
    with psycopg.connect(database_url) as connection:
        recorded = connection.execute(
            "SELECT position, type FROM store.log WHERE topic <> 'projects' ORDER BY position"
        ).fetchall()
    assert [(entry.position, entry.action) for entry in year] == recorded
    days = [entry.day for entry in year]
    assert days == sorted(days)
    assert len(set(days)) == MONTHS + 2, "the beginning, each month, and the day on which the failed one recovered"

    # Invoices are payments: as many, and each of its own amount.
    paid = [entry.says for entry in year if entry.action == "payment.succeeded"]
    assert [said["amount_minor"] for said in paid] == [20_00] * CHANGES + [50_00] * (MONTHS + 1 - CHANGES)
    invoices = (await own_lookalike.client.v1.invoices.list_async({"limit": 100})).data
    assert sorted(invoice.amount_paid for invoice in invoices) == [said["amount_minor"] for said in paid]
    assert {invoice.status for invoice in invoices} == {"paid"}
    renewed = [entry.says for entry in year if entry.action == "subscription.renewed"]
    billed = {invoice.id for invoice in invoices if invoice.billing_reason == "subscription_cycle"}
    assert {said["invoice_id"] for said in renewed} == billed
    assert len(renewed) == len(billed) == MONTHS

    # Credits of each cycle, once: those of the plan that was paid for.
    bought = [entry.says for entry in year if entry.action == "credits.purchased"]
    assert [said["amount"] for said in bought] == [500] * CHANGES + [2000] * (MONTHS + 1 - CHANGES)
    assert Counter(said["payment_id"] for said in bought) == Counter(said["payment_id"] for said in paid)

    # One failed and recovered, one changed, one refunded.
    actions = [entry.action for entry in year]
    expected = ["subscription.payment_failed", "subscription.change_requested", "payment.refunded", "credits.revoked"]
    assert [action for action in actions if action in expected] == expected
    renewals = [place for place, action in enumerate(actions) if action == "subscription.renewed"]
    assert renewals[FAILS - 2] < actions.index("subscription.payment_failed") < renewals[FAILS - 1]
    (refunded,) = [entry.says for entry in year if entry.action == "payment.refunded"]
    assert refunded["payment_id"] == renewed[REFUNDED - 1]["payment_id"]
    (revoked,) = [entry.says for entry in year if entry.action == "credits.revoked"]
    assert (revoked["amount"], revoked["grant_entry_id"]) == (2000, f"ent_{refunded['payment_id']}")
    assert year[-1].says["balance"] == 500 * CHANGES + 2000 * (MONTHS + 1 - CHANGES) - 2000


def test_the_trail_is_readable() -> None:
    paper = StringIO()
    entries = [
        Entry("2026-11-26", 7, "payment.succeeded", "pay_1", {"amount_minor": 20_00}),
        Entry("2026-11-26", 8, "credits.purchased", "wal_1", {"amount": 500, "balance": 500}),
    ]

    show(entries, Console(file=paper, width=100))

    lines = paper.getvalue().splitlines()
    assert lines[3].split() == ["2026-11-26", "7", "payment.succeeded", "20.00", "USD", "are", "there"]
    assert lines[4].split() == ["8", "credits.purchased", "+500", "credits:", "500"]
    assert lines[6].startswith("1 invoices, as many payments: 20.00 USD in, 0.00 USD back.")
