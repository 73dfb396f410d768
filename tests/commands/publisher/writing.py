"""Facts written as the event store writes them, with the order and the moment of each commit in the test's own hands."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from psycopg import Connection

from domain.payment.events import PaymentCheckoutOpened
from domain.wallet.events import CreditsPurchased
from schemas import names
from schemas.codec import encode
from tests.samples import opened, purchased

_EVENT = """
    INSERT INTO store.events (stream, version, topic, type, event_id, command_id, project_id, actor, request_id,
                              correlation_id, causation_id, schema_id, payload, recorded_at)
    VALUES (%s, %s, %s, %s, %s, %s, 'prj_shop', 'key:key_1', 'req_1', 'req_1', %s, %s, %s, %s)
"""


def write(connection: Connection[Any], *facts: tuple[str, int], command_id: UUID | None = None) -> UUID:
    """One command: facts as (stream, version), `pay_…` or `wal_…`. In the caller's transaction, if there is one."""
    command = command_id or uuid4()
    with connection.pipeline(), connection.transaction():
        for stream, version in facts:
            event = _event(stream, version)
            event_type = names.name_of(event)
            schema_id, payload = encode(event, "key:key_1")
            row = (stream, version, names.topic_of(event_type), event_type, uuid4(), command, str(command))
            connection.execute(_EVENT, (*row, schema_id, payload, datetime.now(UTC)))
            connection.execute(
                "INSERT INTO store.outbox (command_id, stream, version) VALUES (%s, %s, %s)", (command, stream, version)
            )
    return command


def notify(connection: Connection[Any]) -> None:
    """Wake the publisher, as the store does after its commits."""
    connection.execute("NOTIFY tillstream_recorded")


def rows(connection: Connection[Any], query: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[Any]:
    """What a query finds."""
    return connection.execute(query.encode(), parameters).fetchall()


def _event(stream: str, version: int) -> PaymentCheckoutOpened | CreditsPurchased:
    if stream.startswith("pay_"):
        return opened(stream, checkout_id=f"cs_{version}")
    return purchased(wallet_id=stream, entry_id=f"ent_{version}", amount=5, balance=5 * version)
