"""Why a replay broke off in the middle, in sentences that say what to do."""

import psycopg
from psycopg import errors

from eventlog.kafka import LogInterrupted, PlaceGone
from eventlog.store import FactUnreadable
from projections.checkpoints import CheckpointsMoved
from projections.isolation import ReadModelBroken
from projections.replay import NeverTogether
from projections.report import ReportUnwritable
from runtime import postgres
from schemas.cloudevents import ForeignRecord
from schemas.codec import SchemaUnknown

EXPECTED = (
    *(LogInterrupted, PlaceGone, ForeignRecord, SchemaUnknown, FactUnreadable),
    *(CheckpointsMoved, ReadModelBroken, NeverTogether, ReportUnwritable),
    *(psycopg.OperationalError, errors.UndefinedTable),
)


def sentence(error: Exception) -> str:
    """What one of the expected errors means for the operator of a replay."""
    return (
        f"{_cause(error)}\nThe live read models are as they were, and what is built so far is kept. Once this is mended,"
        " run the same command again: it goes on from there."
    )


def _cause(error: Exception) -> str:
    match error:
        case errors.DiskFull():
            return f"Postgres has no room left for the new tables ({_first_line(error)}). Make room on its disk."
        case psycopg.Error():
            return postgres.sentence(error)
        case LogInterrupted():
            return f"Reading broke off: {error} See that Kafka runs, and that the network is there."
        case _:
            return str(error)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
