"""The consumer kit counts every event once, whatever dies, doubles or comes late."""

import importlib.util
import threading
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.docs.test_consuming import Topics, topics
from tests.published import PARTITIONS, lives_of_payments, make_topics, send

__all__ = ["topics"]

FILE = Path(__file__).parents[2] / "examples" / "consumer_kit" / "consumer_kit.py"
DOCS = Path(__file__).parents[2] / "docs" / "republishing.md"


class Stumbled(Exception):
    """The handler's own failure."""


@pytest.fixture(scope="module")
def kit() -> Any:
    spec = importlib.util.spec_from_file_location("consumer_kit", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def counting(database_url: str) -> str:
    """A team's own database, with a table that shows every event counted more than once, or not at all."""
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE counted (subject text, version int, position bigint, times int)")
    return database_url


def count(event: Any, connection: psycopg.Connection[Any]) -> None:
    connection.execute("INSERT INTO counted VALUES (%s, %s, %s, 1)", [event.subject, event.version, event.position])


def counted(url: str) -> list[int]:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute("SELECT position FROM counted ORDER BY position")]


def consumer(kit: Any, topics: Topics, url: str, prefix: str | None = None) -> Any:
    return kit.ExactlyOnce(
        f"{topics.prefix}counting",
        [f"{prefix or topics.prefix}payments", f"{prefix or topics.prefix}credits"],
        database_url=url,
        bootstrap_servers=topics.bootstrap,
        registry_url=topics.environment["SCHEMA_REGISTRY_URL"],
    )


@pytest.mark.timeout(180)
def test_every_event_is_counted_once_though_handlers_fail_and_facts_are_sent_again(
    kit: Any, topics: Topics, counting: str
) -> None:
    history = lives_of_payments(30)
    expected = [fact.position for fact in history.facts]
    send(topics.bootstrap, topics.prefix, history.facts)
    send(topics.bootstrap, topics.prefix, history.facts[-40:])
    seen = 0

    def stumble(event: Any, connection: psycopg.Connection[Any]) -> None:
        nonlocal seen
        seen += 1
        count(event, connection)
        if seen == 25:
            raise Stumbled

    with pytest.raises(Stumbled):
        consumer(kit, topics, counting).run(stumble)
    consumer(kit, topics, counting).run(count, until=lambda: len(counted(counting)) >= len(expected))
    idle = iter([False, False, True])
    consumer(kit, topics, counting).run(count, until=lambda: next(idle))

    assert counted(counting) == expected


@pytest.mark.timeout(180)
def test_with_the_statement_of_docs_republishing_it_moves_to_other_topics(
    kit: Any, topics: Topics, counting: str
) -> None:
    history = lives_of_payments(30)
    expected = [fact.position for fact in history.facts]
    other, partitions = f"{topics.prefix}other.", PARTITIONS + 3
    send(topics.bootstrap, topics.prefix, history.facts[:80])
    consumer(kit, topics, counting).run(count, until=lambda: len(counted(counting)) >= 80)
    make_topics(topics.bootstrap, other, partitions)
    send(topics.bootstrap, other, history.facts, partitions)

    statement = DOCS.read_text().partition("```sql\n")[2].partition("```")[0]
    for name, value in (("'tillstream.'", f"'{topics.prefix}'"), ("'tillstream2.'", f"'{other}'"), ("24", partitions)):
        assert name in statement
        statement = statement.replace(name, str(value))
    with psycopg.connect(counting) as connection:
        connection.execute(statement.encode())
    consumer(kit, topics, counting, other).run(count, until=lambda: len(counted(counting)) >= len(expected))

    assert counted(counting) == expected


@pytest.mark.timeout(180)
def test_two_that_share_the_partitions_count_every_event_once_and_each_subject_in_order(
    kit: Any, topics: Topics, counting: str
) -> None:
    history = lives_of_payments(60)
    expected = [fact.position for fact in history.facts]

    def all_counted() -> bool:
        return len(counted(counting)) >= len(expected)

    both = [
        threading.Thread(target=consumer(kit, topics, counting).run, args=(count,), kwargs={"until": all_counted})
        for _ in range(2)
    ]
    for thread in both:
        thread.start()
    for begin in range(0, len(history.facts), 40):
        send(topics.bootstrap, topics.prefix, history.facts[begin : begin + 40])
    for thread in both:
        thread.join()

    assert counted(counting) == expected
    with psycopg.connect(counting) as connection:
        order = connection.execute(
            "SELECT bool_and(version = rank) FROM"
            " (SELECT version, row_number() OVER (PARTITION BY subject ORDER BY ctid) AS rank FROM counted) AS ranked"
        ).fetchone()
    assert order == (True,)
