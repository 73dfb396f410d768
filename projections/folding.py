"""One reading of the log into many generations: each folds what it has not seen, all in one transaction."""

from collections.abc import Sequence
from typing import Any

from psycopg import Connection
from psycopg.types.json import set_json_dumps
from psycopg.types.numeric import Int8BinaryDumper, Int8Dumper

from eventlog.log import Batch
from projections import checkpoints, steps, suspects
from projections.checkpoints import Checkpoints
from projections.tables import to_json
from runtime import postgres


def connect(database_url: str, name: str, patience_seconds: float | None = None) -> Connection[Any]:
    """A connection for folds and nothing else: their few statements, with thousands of keys in each, run again and again.

    A fold that takes longer than `patience_seconds` is ended by the server, for whoever waits behind it.
    """
    connection = postgres.connect(database_url, name=name, autocommit=True, patience_seconds=patience_seconds)
    # Planned once, for look-ups by key: a plan for the number of keys at hand would be made anew with every batch.
    connection.execute("SET plan_cache_mode = force_generic_plan")
    # By key also where Postgres takes a table to be small: it was empty when the plan was made, and is filled with that plan.
    for other_way in ("enable_seqscan", "enable_hashjoin", "enable_mergejoin"):
        connection.execute(f"SET {other_way} = off".encode())
    # Whole numbers always go as bigint; by their size they would go as three types, each with a statement of its own. In
    # both formats: psycopg remembers how lists of numbers go by what it uses for one, and that is the binary form.
    connection.adapters.register_dumper(int, Int8Dumper)
    connection.adapters.register_dumper(int, Int8BinaryDumper)
    set_json_dumps(to_json, connection)
    connection.execute("SET client_min_messages = warning")  # Not to be told each time that a table is there already.
    return connection


def fold(connection: Connection[Any], held: Checkpoints, batches: Sequence[Batch]) -> Checkpoints:
    """Bring every generation past these batches, and return where all stand then.

    `held` are the checkpoints that are ours. A fact that cannot be applied is parked, with what comes after it in its
    stream. Raises `CheckpointsMoved` if a checkpoint is not ours any more, and `ReadModelBroken`; then what was suspect may
    be folded, and nothing else has happened.
    """
    held = suspects.fold(connection, held, batches)
    taken = [step for generation, places in held.items() if (step := steps.step(generation, places, batches)).moves]
    if not taken:
        return held
    if wary := [move for step in taken for move in step.moves if move.before.wary]:
        checkpoints.mark(connection, wary, alone=False)
    steps.take(connection, taken)
    return steps.moved(held, taken)
