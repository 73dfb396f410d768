"""A log that is shown in live generations, and the read side's tools on it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import psycopg

from schemas.envelope import Recorded
from tests.projecting import Done, ask, environment, projections, replay
from tests.published import lives_of_payments, make_topics, put_in_store, send

FACTS: Sequence[Recorded] = lives_of_payments(60).facts

_LIVE = "SELECT md5(string_agg(p::text, ' ' ORDER BY payment_id)), count(*) FROM payments_1.payments p"
_KEPT_UP_TO_DATE = (
    "SELECT generation, state FROM read.generations WHERE read_model = 'payments' AND state IN ('live', 'following')"
)


class Stage(NamedTuple):
    """FACTS in Kafka and in the store, shown in `payments_1` at least."""

    env: Mapping[str, str]
    folder: Path
    shown: list[tuple[Any, ...]]

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        return ask(self.env["DATABASE_URL"], query)

    def run(self, statement: str) -> None:
        with psycopg.connect(self.env["DATABASE_URL"], autocommit=True) as connection:
            connection.execute(statement.encode())

    def replay(self, *arguments: str, **env: str) -> Done:
        """`replay payments`, from Kafka unless another source is named."""
        source = () if "--source" in arguments else ("--source", "kafka")
        read_model = () if "--all" in arguments else ("payments",)
        return replay({**self.env, **env}, self.folder / "reports", *read_model, *source, *arguments)

    def tool(self, *arguments: str) -> Done:
        return projections(self.env, *arguments)

    def states(self) -> dict[str, str]:
        return dict(self.ask("SELECT read_model || '_' || generation, state FROM read.generations"))

    def is_untouched(self) -> bool:
        """Whether `payments_1` answers alone, and what it shows is what it showed at first."""
        return self.ask(_LIVE) == self.shown and self.ask(_KEPT_UP_TO_DATE) == [(1, "live")]


def set_stage(
    database_url: str, kafka_bootstrap: str, topic_prefix: str, folder: Path, read_models: str = "payments"
) -> Stage:
    make_topics(kafka_bootstrap, topic_prefix)
    send(kafka_bootstrap, topic_prefix, FACTS)
    show(environment(database_url, kafka_bootstrap, topic_prefix), folder, read_models)
    return stage_at(database_url, kafka_bootstrap, topic_prefix, folder)


def show(env: Mapping[str, str], folder: Path, read_models: str) -> None:
    """Put FACTS, which are in Kafka, into an empty store, and fold them into first generations."""
    put_in_store(env["DATABASE_URL"], FACTS)
    first = replay(env, folder / "first", read_models, "--source", "store")
    assert first.status == 0, first.said


def stage_at(database_url: str, kafka_bootstrap: str, topic_prefix: str, folder: Path) -> Stage:
    """A stage that is set there already."""
    env = {**environment(database_url, kafka_bootstrap, topic_prefix), "TILLSTREAM_STARTUP_SECONDS": "2"}
    return Stage(env, folder, ask(database_url, _LIVE))
