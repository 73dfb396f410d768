"""Indexes of a generation that is built from the log: made once it is filled, which costs a fraction of keeping them up."""

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import Connection

from projections import generations, isolation, statements
from projections.building import Audience
from projections.generations import Generation
from projections.statements import on


def make(
    connection: Connection[Any], filled: Sequence[Generation], audience: Audience
) -> Mapping[Generation, Generation]:
    """Give filled generations their indexes; those that they have already stay. Returns them, by themselves.

    Where one holds a row that does not fit into an index, as would have been found out at once had the index been there, an
    empty one with all indexes is returned in its place, to be built anew: then that row's stream is parked.
    """
    audience.say(f"Making the indexes of {', '.join(generation.schema for generation in filled)}.")
    return {generation: _indexed(connection, generation, audience) for generation in filled}


def _indexed(connection: Connection[Any], generation: Generation, audience: Audience) -> Generation:
    try:
        _make(connection, generation)
    except Exception as error:
        if not isolation.is_the_facts_fault(error):
            raise
        audience.say(
            f"{generation.schema} holds what one of its indexes has no room for ({isolation.describe(error)}). It is built"
            " anew with its indexes, which takes longer, and parks that."
        )
        return _anew(connection, generation)
    return generation


def _make(connection: Connection[Any], generation: Generation) -> None:
    for statement in statements.indexes(generation.model.tables):
        with connection.transaction():
            connection.execute(on(generation.schema, "SET LOCAL search_path TO {schema}"))
            connection.execute(statement.encode())


def _anew(connection: Connection[Any], generation: Generation) -> Generation:
    [standing] = [
        each for each in generations.standing(connection, [generation.model]) if each.generation == generation.number
    ]
    generations.drop(connection, generation)
    return generations.create(connection, generation.model, "building", standing.source, standing.as_of)
