"""What is recorded, published and shown: payments of one shop that begin, go on in turns, and end."""

import hashlib
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

from psycopg import Connection

from commands.ports import Context
from commands.store.append import PLAIN, parameters
from commands.store.outcome import Outcome
from commands.store.refs import Ref, refs
from commands.store.rows import Write, event_row
from domain.payment import PaymentCheckoutOpened, PaymentExpired, PaymentInitiated, PaymentSucceeded
from domain.project.events import KeyIssued, ProjectRegistered
from domain.wallet import CreditsPurchased, wallet_id

PROJECT_ID = f"prj_{7:032x}"
SECRET_KEY = f"sk_{7:032x}_benchmarkbenchmark"
BEGINNING = datetime(2026, 3, 1, 12, tzinfo=UTC)

_USERS = 1_000
_UNDER_WAY = 200
_AT_ONCE = 500
_EXPIRE = 0.2  # The share of payments that nobody pays.

Fact = tuple[str, int, object]  # stream, version, event


def record_project(connection: Connection[Any]) -> None:
    """The shop, and the secret key that opens the API for it."""
    registered = ProjectRegistered(
        project_id=PROJECT_ID,
        name="Book Shop",
        domain="shop.example.com",
        default_currency="usd",
        payment_types=("one_time",),
        features=("credits",),
    )
    key = KeyIssued(
        project_id=PROJECT_ID,
        key_id="key_1",
        key_kind="secret",
        key_hash=hashlib.sha256(SECRET_KEY.encode()).hexdigest(),
        hint=SECRET_KEY[-4:],
    )
    _record(connection, [_write(0, (PROJECT_ID, 1, registered), (PROJECT_ID, 2, key))])


def record_payments(connection: Connection[Any], count: int) -> int:
    """The lives of so many payments, by the store's own statement. Returns the number of facts, nearly four for each."""
    facts = 0
    writes = commands(count)
    while some := list(islice(writes, _AT_ONCE)):
        _record(connection, some)
        facts += sum(len(write.events) for write in some)
    return facts


def payment_id(number: int) -> str:
    """The id of one of the payments of `record_payments`, from 0."""
    return f"pay_{number:032x}"


def initiated(payment: str, user_id: str, now: datetime) -> PaymentInitiated:
    """Somebody wants to buy credits."""
    return PaymentInitiated(
        payment_id=payment,
        project_id=PROJECT_ID,
        user_id=user_id,
        customer_id=f"cus_{user_id}",
        product_id="credits-1000",
        product_type="api_credits",
        price_id="price_credits_1000",
        quantity=1,
        payment_type="one_time",
        amount_minor=10_00,
        currency="usd",
        credits=1_000,
        credit_type="api",
        gateway="stripe",
        initiated_at=now,
        metadata={"order": payment[-8:]},
    )


def context(command_id: UUID, now: datetime) -> Context:
    """The shop's server asks."""
    return Context(
        command_id=command_id,
        fingerprint=command_id.bytes * 2,
        project_id=PROJECT_ID,
        actor="key:key_1",
        request_id=f"req_{command_id.hex}",
        causation_id=str(command_id),
        now=now,
    )


def commands(count: int) -> Iterator[Write]:
    """The lives of so many payments: some hundred under way at a time, a random one of them going on with each command."""
    chance = random.Random(1)
    balances: dict[str, tuple[int, int]] = {}
    waiting = (_life(number, balances, chance) for number in range(count))
    under_way = list(islice(waiting, _UNDER_WAY))
    number = 0
    while under_way:
        place = chance.randrange(len(under_way))
        if facts := next(under_way[place], None):
            number += 1
            yield _write(number, *facts)
        else:
            under_way[place : place + 1] = islice(waiting, 1)


def _life(number: int, balances: dict[str, tuple[int, int]], chance: random.Random) -> Iterator[Sequence[Fact]]:
    payment, user_id = payment_id(number), f"u{chance.randrange(_USERS)}"
    checkout = f"cs_test_{number:056x}"
    yield [(payment, 1, initiated(payment, user_id, BEGINNING))]
    expires_at = BEGINNING + timedelta(hours=24)
    yield [(payment, 2, PaymentCheckoutOpened(payment_id=payment, checkout_id=checkout, expires_at=expires_at))]
    if chance.random() < _EXPIRE:
        yield [(payment, 3, PaymentExpired(payment_id=payment, reason="nobody paid in time"))]
        return
    wallet = wallet_id(PROJECT_ID, user_id, "api")
    version, balance = balances.get(wallet, (0, 0))
    version, balance = balances[wallet] = version + 1, balance + 1_000
    yield [
        (payment, 3, _succeeded(payment, user_id, checkout)),
        (wallet, version, _purchased(wallet, user_id, payment, balance)),
    ]


def _succeeded(payment: str, user_id: str, checkout: str) -> PaymentSucceeded:
    return PaymentSucceeded(
        payment_id=payment,
        user_id=user_id,
        product_id="credits-1000",
        amount_minor=10_00,
        currency="usd",
        amount_differs=False,
        checkout_id=checkout,
        gateway_payment_id=f"pi_{payment[-24:]}",
    )


def _purchased(wallet: str, user_id: str, payment: str, balance: int) -> CreditsPurchased:
    return CreditsPurchased(
        wallet_id=wallet,
        user_id=user_id,
        credit_type="api",
        entry_id=f"ent_{payment[-32:]}",
        amount=1_000,
        balance=balance,
        payment_id=payment,
        product_id="credits-1000",
    )


def _write(number: int, *facts: Fact) -> Write:
    asked = context(UUID(int=number), BEGINNING + timedelta(milliseconds=number))
    versions = {stream: version for stream, version, _ in facts}
    outcome = Outcome(fingerprint=asked.fingerprint, answer={"number": number}, refusal=None, versions=versions)
    events = [event_row(stream, version, event, asked.actor) for stream, version, event in facts]
    named: dict[Ref, str] = {ref: stream for stream, _, event in facts for ref in refs(event)}
    return Write(context=asked, outcome=outcome, events=events, refs=named)


def _record(connection: Connection[Any], writes: Sequence[Write]) -> None:
    connection.execute(PLAIN, parameters([[write] for write in writes]), binary=True)
