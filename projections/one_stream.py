"""One stream's rows, folded anew beside the live ones and held against them: a check of a single key, and its mending."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from psycopg import Connection, Cursor
from psycopg.sql import SQL, Identifier

from eventlog.history import History
from eventlog.kafka import KafkaLog, LogInterrupted
from eventlog.log import Source
from eventlog.topics import partition_of
from projections import comparison, followed, generations, parking, turns
from projections.building import Audience
from projections.checkpoints import Checkpoint
from projections.comparison import Only, TableComparison
from projections.generations import Generation
from projections.parking import ParkedKey
from projections.read_model import ReadModel
from projections.replay import FROM_WHERE, From
from schemas.envelope import Recorded

_FACTS_AT_ONCE = 5_000
_READ_SECONDS = 1.0
_SILENT_READS = 30  # After so many without an answer the log is taken to be away.

_LOOK = b"""
    SELECT read_model || '_' || generation, next_offset, last_position, suspect_to
      FROM read.checkpoints
     WHERE read_model || '_' || generation = ANY (%s) AND topic = %s AND partition = %s
     ORDER BY read_model
"""
_LOCK = _LOOK + b" FOR UPDATE"


class StreamUnknown(Exception):
    """The log has no such stream."""

    def __init__(self, stream: str) -> None:
        super().__init__(
            f"The log has no stream {stream!r}. Give a stream's id in full, as an event's `ce_subject` has it."
        )


class NotShownHere(Exception):
    """These read models show other streams."""

    def __init__(self, stream: str, models: Sequence[ReadModel]) -> None:
        shown = "; ".join(f"{model.name} shows {', '.join(f'{p}…' for p in model.stream_prefixes)}" for model in models)
        super().__init__(f"No row comes from {stream!r} there: {shown}.")


class NeverLive(Exception):
    """There are no live rows to hold anything against."""

    def __init__(self, read_model: str) -> None:
        super().__init__(f"{read_model} was never built, so there is nothing to compare with. Replay it as a whole.")


class OtherShape(Exception):
    """The live tables were made by other code than the rebuilt ones."""

    def __init__(self, read_model: str) -> None:
        super().__init__(
            f"The live tables of {read_model} have other columns than this code's, so single rows cannot take their place."
            f" Nothing was changed. Replay the whole read model: python -m projections replay {read_model}."
        )


class LookedInto(Exception):
    """Facts of which a process may have died are folded a few at a time just now, so live rows are ahead of their offset."""

    def __init__(self, live: Generation) -> None:
        super().__init__(
            f"A process died while it brought {live.schema} on, and the projector is finding out whether it died of a fact,"
            " so nothing can be compared there just now. Nothing was changed. Run this again in a moment, with a projector"
            " running."
        )


class StandsElsewhere(Exception):
    """The rebuilt rows end at another fact than the live ones, since one of both stands still."""

    def __init__(self, live: Generation, stream: str) -> None:
        super().__init__(
            f"{stream} is parked in {live.schema}, or cannot be folded beside it, so its rows are of different moments and"
            f" cannot take each other's place. Nothing was changed. If it is parked in the live one, see `python -m consumers"
            f" parked list` and run `python -m consumers parked retry {live.model.name} {stream}`."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What became of one stream. `live` are schemas by read model; `accepted` is why rebuilt rows took the live ones' place.

    `parked` is where it stands still among the rebuilt rows, `parked_live` among the live ones.
    """

    stream: str
    source: From
    began_at: datetime
    compared_at: datetime
    live: Mapping[str, str]
    tables: Sequence[TableComparison]
    parked: Sequence[ParkedKey]
    parked_live: Sequence[ParkedKey]
    accepted: str | None

    @property
    def name(self) -> str:
        return f"{'-'.join(sorted(self.live))}-{self.stream}"

    @property
    def heading(self) -> str:
        return f"{self.stream} in {', '.join(sorted(self.live.values()))}, folded anew from {FROM_WHERE[self.source]}."

    @property
    def is_equal(self) -> bool:
        return all(table.is_equal for table in self.tables)

    @property
    def is_good(self) -> bool:
        """Whether the live rows are as they must be now."""
        return (self.is_equal or self.accepted is not None) and not self.parked and not self.parked_live

    @property
    def verdict(self) -> str:
        """One sentence, or a few."""
        return " ".join([self._judgement, *map(_cannot_be_folded, self.parked), *map(_waits, self._only_live)])

    @property
    def _only_live(self) -> Sequence[ParkedKey]:
        """Where it stands still among the live rows, and goes on among the rebuilt ones."""
        cannot = {key.read_model for key in self.parked}
        return [key for key in self.parked_live if key.read_model not in cannot]

    @property
    def _judgement(self) -> str:
        if self.is_equal and self.parked:
            return f"Every row of {self.stream} is as its facts say, as far as they can be folded."
        if self.is_equal:
            return f"Every row of {self.stream} is as its facts say."
        if self.accepted is not None:
            return f"Rows of {self.stream} differed; the rebuilt ones stand in their place ({self.accepted})."
        return (
            f"Rows of {self.stream} differ, and nothing is changed. To put the rebuilt ones in their place, run this again"
            " with --accept-differences REASON."
        )


def _cannot_be_folded(key: ParkedKey) -> str:
    return (
        f"In {key.read_model} it stands still at position {key.position}, for that cannot be applied ({key.error}), and"
        f" {key.waiting} {'fact waits' if key.waiting == 1 else 'facts wait'} there. Mend the fold, or skip the fact: `python"
        f" -m consumers parked skip {key.read_model} {key.stream} --reason …`."
    )


def _waits(key: ParkedKey) -> str:
    return (
        f"In {key.schema} it stands still at position {key.position} ({key.error}), and can be applied now: `python -m"
        f" consumers parked retry {key.read_model} {key.stream}`."
    )


class OneStream:
    """Checks one stream in some read models over an autocommit connection. `events` is None where facts come from the store.

    Scratch generations live and end within one transaction, so that nobody else ever sees them. Facts are folded up to
    where the live ones stand; then their checkpoints are locked, so that no projector moves them on meanwhile.
    """

    def __init__(
        self, connection: Connection[Any], events: KafkaLog | None, history: History, audience: Audience
    ) -> None:
        self._connection = connection
        self._events = events
        self._history = history
        self._audience = audience

    def run(
        self, models: Sequence[ReadModel], stream: str, accepted: str | None, keep: Callable[[Checked], object]
    ) -> Checked:
        """Compare, `keep` what was found, and mend what differs where that is accepted; in all these read models or none.

        What is skipped is left out, and a fact that cannot be applied parks the stream, as in any replay. Raises
        `NotShownHere`, `StreamUnknown`, `NeverLive`, `OtherShape`, `StandsElsewhere`, `LookedInto`, `AnotherReplayRuns`, and
        what reading raises.
        """
        began_at = datetime.now(UTC)
        showing = [model for model in models if stream.startswith(model.stream_prefixes)]
        if not showing:
            raise NotShownHere(stream, models)
        topic = self._history.topic_of(stream)
        if topic is None:
            raise StreamUnknown(stream)
        with turns.alone_at(self._connection, showing), self._connection.transaction():
            source = self._source(topic, stream)
            pairs = [self._pair(model) for model in showing]
            self._build(pairs, stream, source)
            still = {pair: self._still(pair, stream) for pair in pairs}
            for pair in pairs if accepted is not None else ():
                if not still[pair].is_the_same:
                    raise StandsElsewhere(pair.live, stream)
            found = {pair: comparison.compare(self._connection, *pair, _rows_of(pair, stream)) for pair in pairs}
            checked = Checked(
                stream=stream,
                source="store" if self._events is None else "kafka",
                began_at=began_at,
                compared_at=datetime.now(UTC),
                live={pair.live.model.name: pair.live.schema for pair in pairs},
                tables=[table for tables in found.values() for table in tables],
                parked=[of_both.rebuilt for of_both in still.values() if of_both.rebuilt],
                parked_live=[of_both.live for of_both in still.values() if of_both.live],
                accepted=accepted,
            )
            keep(checked)
            for pair, tables in found.items():
                if accepted is not None:
                    _mend(self._connection.cursor(), pair, tables, stream)
                generations.drop(self._connection, pair.scratch)
        return checked

    def _source(self, topic: str, stream: str) -> Source:
        """Where the live generations read this stream."""
        if self._events is not None:
            followed.agree(self._connection, self._events.identities())
        read = followed.load(self._connection).get(topic)
        return Source(topic, partition_of(stream.encode(), read.partitions) if read else 0)

    def _pair(self, model: ReadModel) -> "_Pair":
        live = generations.load(self._connection, [model], "live")
        if not live:
            raise NeverLive(model.name)
        return _Pair(live[0], generations.create(self._connection, model, "building", "store"))

    def _build(self, pairs: Sequence["_Pair"], stream: str, source: Source) -> None:
        """Fold the stream's facts as far as each live generation has seen them; most of them before it is made to wait."""
        feed: _Feed = _StoreFeed(self._history, stream)
        if self._events is not None:
            feed = _KafkaFeed(self._events, source, stream, self._audience)
        places = self._places(pairs, source, _LOOK)
        self._fold(feed, pairs, dict.fromkeys(pairs, min(places.values())))
        places = self._places(pairs, source, _LOCK)
        for pair in pairs:
            if places[pair].suspect_to:
                raise LookedInto(pair.live)
        self._fold(feed, pairs, places)

    def _fold(self, feed: "_Feed", pairs: Sequence["_Pair"], places: Mapping["_Pair", Checkpoint]) -> None:
        for facts in feed.read_up_to(max(places.values())):
            for pair in pairs:
                seen = [
                    fact for fact in facts if fact.position <= places[pair].last_position and fact.event is not None
                ]
                if seen:
                    parking.apply(seen, self._connection.cursor(), pair.scratch)

    def _still(self, pair: "_Pair", stream: str) -> "_Still":
        live, rebuilt = (parking.standing_still(self._connection, each, stream) for each in pair)
        return _Still(live, rebuilt)

    def _places(self, pairs: Sequence["_Pair"], source: Source, query: bytes) -> Mapping["_Pair", Checkpoint]:
        """Where the live generations stand in this source; at its beginning where nobody has brought one on yet."""
        rows = self._connection.execute(query, [[pair.live.schema for pair in pairs], *source])
        standing = {
            schema: Checkpoint(next_offset, position, 0, suspect_to)
            for schema, next_offset, position, suspect_to in rows
        }
        return {pair: standing.get(pair.live.schema, Checkpoint(0, 0, 0)) for pair in pairs}


class _Pair(NamedTuple):
    live: Generation
    scratch: Generation


class _Still(NamedTuple):
    """Where a stream stands still among the live rows, and where among the rebuilt ones."""

    live: ParkedKey | None
    rebuilt: ParkedKey | None

    @property
    def is_the_same(self) -> bool:
        return (self.live and self.live.event_id) == (self.rebuilt and self.rebuilt.event_id)


class _Feed(Protocol):
    """A stream's facts from its first on. Each reading goes on where the one before ended."""

    def read_up_to(self, place: Checkpoint) -> Iterator[Sequence[Recorded]]: ...


class _StoreFeed:
    def __init__(self, history: History, stream: str) -> None:
        self._history = history
        self._stream = stream
        self._version = 0

    def read_up_to(self, place: Checkpoint) -> Iterator[Sequence[Recorded]]:
        while facts := self._history.facts(self._stream, self._version, place.last_position):
            self._version = facts[-1].version
            yield facts


class _KafkaFeed:
    """Reads the whole partition, for Kafka knows no other way to one key. Facts read too early wait for the next reading."""

    def __init__(self, events: KafkaLog, source: Source, stream: str, audience: Audience) -> None:
        self._events = events
        self._source = source
        self._stream = stream
        self._audience = audience
        self._offset = 0
        self._early: list[Recorded] = []
        events.seek({source: 0})

    def read_up_to(self, place: Checkpoint) -> Iterator[Sequence[Recorded]]:
        yield self._sorted_out(self._early, place)
        silent = 0
        while self._offset < place.next_offset:
            batches = self._events.read(_FACTS_AT_ONCE, _READ_SECONDS)
            silent = 0 if batches else silent + 1
            if silent == _SILENT_READS:
                raise LogInterrupted(f"Nothing more could be read of {self._source.topic}.")
            for batch in batches:
                self._offset = batch.next_offset
                yield self._sorted_out([fact for fact in batch.facts if fact.stream == self._stream], place)
            self._audience.progress("from Kafka", min(self._offset, place.next_offset), place.next_offset)

    def _sorted_out(self, facts: Sequence[Recorded], place: Checkpoint) -> Sequence[Recorded]:
        self._early = [fact for fact in facts if fact.position > place.last_position]
        return [fact for fact in facts if fact.position <= place.last_position]


def _rows_of(pair: _Pair, stream: str) -> Only:
    return Only(pair.live.model.stream_column, stream)


def _mend(cursor: Cursor[Any], pair: _Pair, tables: Sequence[TableComparison], stream: str) -> None:
    """Put the rebuilt rows in the place of the live ones, table by table. Raises `OtherShape`."""
    if any(table.other_columns for table in tables):
        raise OtherShape(pair.live.model.name)
    column = Identifier(pair.live.model.stream_column)
    columns = {name: table.columns for name, table in comparison.tables_of(cursor.connection, pair.live).items()}
    for name in (table.table for table in tables if not table.is_equal):
        live, scratch = Identifier(pair.live.schema, name), Identifier(pair.scratch.schema, name)
        listed = SQL(", ").join(map(Identifier, columns[name]))
        cursor.execute(SQL("DELETE FROM {} WHERE {} = %s").format(live, column), [stream])
        cursor.execute(SQL("INSERT INTO {} ({}) SELECT {} FROM {}").format(live, listed, listed, scratch))
