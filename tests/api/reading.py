"""The read side as tests of the API need it: brought up to date at a word, without a broker in between."""

from collections.abc import Iterator, Sequence
from typing import Any

from commands.publisher.numbering import number
from eventlog.numbered import prepare
from eventlog.store import STORE, StoreLog
from projections import folding
from projections.catalog import READ_MODELS
from projections.generations import ensure_live, load
from schemas.envelope import Recorded


def catch_up(database_url: str) -> None:
    """Number every fact of the store and show it in every read model. Facts that are shown already change nothing."""
    with folding.connect(database_url, "test") as connection:
        ensure_live(connection, READ_MODELS)
        facts = _numbered(connection)
        for generation in load(connection, READ_MODELS, "live"):
            wanted = [fact for fact in facts if fact.topic in generation.model.topics]
            with connection.transaction(), connection.cursor() as cursor:
                generation.model.apply(wanted, cursor, generation.schema)


def step_by_step(database_url: str) -> Iterator[Recorded]:
    """Number every fact of the store, command by command, then show them one at a time: each that is yielded is shown."""
    with folding.connect(database_url, "test") as connection:
        ensure_live(connection, READ_MODELS)
        live = load(connection, READ_MODELS, "live")
        for fact in _numbered(connection, at_once=1):
            for generation in live:
                if fact.topic in generation.model.topics:
                    with connection.transaction(), connection.cursor() as cursor:
                        generation.model.apply([fact], cursor, generation.schema)
            yield fact


def _numbered(connection: Any, at_once: int = 1000) -> Sequence[Recorded]:
    prepare(connection)
    while number(connection, 12, at_once):
        pass
    log = StoreLog(connection)
    log.seek({STORE: 0})
    facts: list[Recorded] = []
    while batches := log.read(10_000, 0.0):
        facts += [fact for batch in batches for fact in batch.facts]
    return facts
