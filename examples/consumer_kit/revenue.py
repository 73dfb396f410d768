"""An example: what each project took, per currency, from the payments' events alone. Run it after `make demo` or `make up`.

set -a; . .run/env; set +a
.venv/bin/python examples/consumer_kit/revenue.py
"""

import os
from typing import Any

import psycopg
from consumer_kit import Event, ExactlyOnce

TABLE = """
CREATE TABLE IF NOT EXISTS revenue (
    project_id text   NOT NULL,
    currency   text   NOT NULL,
    payments   bigint NOT NULL,
    minor      bigint NOT NULL,
    PRIMARY KEY (project_id, currency)
)
"""


def add(event: Event, connection: psycopg.Connection[Any]) -> None:
    if event.type != "payment.succeeded":
        return
    connection.execute(
        "INSERT INTO revenue AS r VALUES (%s, %s, 1, %s) ON CONFLICT (project_id, currency)"
        " DO UPDATE SET payments = r.payments + 1, minor = r.minor + excluded.minor",
        [event.project_id, event.data["currency"], event.data["amount_minor"]],
    )
    print(f"{event.position:>8}  {event.data['amount_minor']:>10} {event.data['currency']}  {event.subject}")


if __name__ == "__main__":
    database_url = os.environ["DATABASE_URL"]  # Here the service's own; another team would name its own database.
    with psycopg.connect(database_url) as connection:
        connection.execute(TABLE)
    ExactlyOnce(
        "revenue-example",
        [os.environ.get("KAFKA_TOPIC_PREFIX", "tillstream.") + "payments"],
        database_url=database_url,
        bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"],
        registry_url=os.environ["SCHEMA_REGISTRY_URL"],
    ).run(add)
