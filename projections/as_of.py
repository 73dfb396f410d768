"""As-of reads: what a read model showed at some position or time, folded from the log by the read model's own fold."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from domain.errors import DomainError, ErrorType
from eventlog import history
from eventlog.history import End, History
from runtime.postgres import Pool
from schemas import times
from schemas.envelope import Recorded

Row = TypeVar("Row")

AsOf = int | datetime  # A position, or a time with its zone.

_LONGEST = 18  # Digits: what is longer is no position that Postgres could hold.
_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def parse(text: str) -> AsOf:
    """A position or a time, as people write them. ValueError, with a sentence, for anything else."""
    if text.isascii() and text.isdecimal() and len(text) <= _LONGEST:
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
        if not _EARLIEST <= moment < _LATEST:
            raise ValueError(text)
    except (ValueError, TypeError):  # A time without a zone cannot be compared with one that has it.
        raise ValueError(
            "Give a position, such as 1234, or a time with its zone, such as 2026-03-01T12:00:00Z."
        ) from None
    return moment


class AsOfInFuture(DomainError):
    """Nobody knows what will be shown then."""

    type: ErrorType = "validation_error"
    code = "as_of_in_future"

    def __init__(self, as_of: AsOf, head: int) -> None:
        super().__init__(
            f"{_named(as_of)} is yet to come; the log ends at position {head} now.",
            param="as_of",
            details={"head": head},
        )


class AsOfTooEarly(DomainError):
    """Nothing was recorded by then."""

    type: ErrorType = "validation_error"
    code = "as_of_too_early"

    def __init__(self, as_of: AsOf) -> None:
        super().__init__(
            f"{_named(as_of)} is before the first fact of all, which has position 1; ask for a later one.",
            param="as_of",
        )


class NotThereYet(DomainError):
    """It is there now, but was not then."""

    type: ErrorType = "not_found"
    code = "not_there_yet"

    def __init__(self, what: str, as_of: AsOf) -> None:
        super().__init__(f"There was no {what} as of {_named(as_of, begins=False)}; it began later.", param="as_of")


async def position(pool: Pool, as_of: AsOf) -> int:
    """The position that is meant: of a time, the last one not numbered later. Raises `AsOfInFuture`, `AsOfTooEarly`."""
    if isinstance(as_of, datetime):
        return _checked(as_of, await history.end_at(pool, as_of))
    return _checked(as_of, _end(as_of, await history.head(pool)))


def position_of(log: History, as_of: AsOf) -> int:
    """The same for those who own their thread."""
    return _checked(as_of, log.end_at(as_of) if isinstance(as_of, datetime) else _end(as_of, log.head()))


def _end(position: int, head: int) -> End:
    return End(position, head, position > head)


def _checked(as_of: AsOf, end: End) -> int:
    if end.is_future:
        raise AsOfInFuture(as_of, end.head)
    if end.position < 1:
        raise AsOfTooEarly(as_of)
    return end.position


async def folded(
    pool: Pool, streams: Sequence[str], up_to: int, row: Callable[[Recorded], Row], merge: Callable[[Row, Row], Row]
) -> Mapping[str, Row]:
    """What the facts of each stream come to, up to a position; streams that had not begun are left out.

    `row` is what one fact says, `merge` what an earlier and a later one say together: the read model's fold.
    """
    found: dict[str, Row] = {}
    for stream in streams:
        async for fact in history.facts(pool, stream, up_to):
            if fact.event is not None:
                found[stream] = merge(found[stream], row(fact)) if stream in found else row(fact)
    return found


def _named(as_of: AsOf, *, begins: bool = True) -> str:
    if isinstance(as_of, datetime):
        return times.to_text(as_of)
    return f"{'P' if begins else 'p'}osition {as_of}"
