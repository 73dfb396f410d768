"""Generations as an operator sees them: which there are, which answers, how large they are, and how that came to be."""

from typing import Any

from psycopg import Connection
from rich.console import Console
from rich.table import Table

from projections import comparison, generations, switching
from projections.catalog import READ_MODELS
from projections.generations import Generation

_SIZES = b"""
    SELECT s.nspname, pg_size_pretty(sum(pg_total_relation_size(c.oid)))
      FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace
     WHERE s.nspname = ANY (%s) AND c.relkind = 'r'
     GROUP BY s.nspname
"""
_SWITCHES = 10
_STATES = {
    "live": "answers",
    "following": "follows",
    "building": "half-built",
    "refused": "differed, was not accepted",
}


def show(connection: Connection[Any], console: Console) -> None:
    """A line for each generation, and the last switches with their reasons."""
    standing = generations.standing(connection, READ_MODELS)
    sizes = dict(connection.execute(_SIZES, [[generation.schema for generation in standing]]).fetchall())
    shown = Table("generation", "state", "from", "begun", "answered since", "size", box=None, padding=(0, 1))
    for each in standing:
        state = _STATES.get(each.state, f"kept, as of {each.as_of}")
        since = f"{each.switched_at:%Y-%m-%d %H:%M:%S}" if each.switched_at else ""
        shown.add_row(
            each.schema, state, each.source, f"{each.created_at:%Y-%m-%d %H:%M:%S}", since, sizes.get(each.schema, "")
        )
    console.print(shown)
    for switch in switching.switches(connection, _SWITCHES):
        before = f"{switch.read_model}_{switch.from_generation} → " if switch.from_generation else ""
        after = f"{switch.read_model}_{switch.to_generation}"
        line = f"{switch.switched_at:%Y-%m-%d %H:%M:%S} {before}{after}: {switch.reason}"
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def show_kept(connection: Connection[Any], generation: Generation, position: int, console: Console) -> None:
    """How to look at a generation that is kept as of a position, and how to be rid of it."""
    tables = sorted(comparison.tables_of(connection, generation))
    queries = " ".join(f"SELECT * FROM {generation.schema}.{table};" for table in tables)  # noqa: S608
    console.print(
        f"{generation.schema} shows {generation.model.name} as of position {position}: {queries}\n"
        f"  Drop it when you are done: python -m projections drop {generation.model.name} {generation.number}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
