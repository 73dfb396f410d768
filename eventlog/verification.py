"""Verifying: the hash chain of the store and of Kafka is walked link by link, and one is held against the other.

The first `Finding` ends a walk: behind it, everything is in question.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from psycopg import Connection

from eventlog import numbered, publications
from eventlog.checkpoints import Checkpoint, Tally
from eventlog.in_order import InOrder
from eventlog.log import Source
from eventlog.numbered import Numbered
from eventlog.topics import partition_of
from schemas.chain import GENESIS, link

Told = Callable[[str, int, int], object]  # what is walked, how much of it was, how much there is

_AT_ONCE = 2_000
_LATECOMERS_SECONDS = 5.0  # For a position that Kafka lacks where it ends, while later ones are there already.


class Mark(NamedTuple):
    """A place in the chain: a position and its hash; no bytes where the fact behind it is trusted to name it."""

    position: int
    hash: bytes


class Finding(NamedTuple):
    """What is wrong first, in a sentence. `position` is None for a record that stands in Kafka and is no fact."""

    position: int | None
    sentence: str


class Outcome(NamedTuple):
    """Up to where everything is whole, and what is wrong behind it, if anything is."""

    whole_up_to: Mark
    finding: Finding | None


BEGINNING = Mark(0, GENESIS)


class Chain:
    """A chain as far as it was found whole. `leaps`: from which positions to which marks it may go on behind a gap."""

    def __init__(self, where: str, begin: Mark = BEGINNING, leaps: Mapping[int, Mark] | None = None) -> None:
        self.where = where
        self.mark = begin
        self._leaps = leaps or {}

    def follow(self, facts: Iterable[Numbered]) -> Finding | None:
        """Go along these facts, as far as they fit."""
        for fact in facts:
            mark = self.mark
            if fact.position != mark.position + 1:
                mark = self._leaps.get(mark.position, mark)
            if fact.position != mark.position + 1:
                return self.lacks(mark.position + 1, f"position {fact.position} follows {mark.position} there")
            before = mark.hash or fact.previous_hash
            hash = link(before, position=fact.position, written=fact.written, value=fact.value)
            if hash != fact.hash:
                return self._unfit(fact, f"it has the hash {_short(fact.hash)}, and what it says makes {_short(hash)}")
            if fact.previous_hash and fact.previous_hash != before:
                named, found = _short(fact.previous_hash), _short(before)
                return self._unfit(fact, f"it names {named} as the hash before it, and that is {found}")
            self.mark = Mark(fact.position, hash)
        return None

    def lacks(self, position: int, because: str) -> Finding:
        """A position is not there."""
        return Finding(position, f"Position {position} is missing in {self.where}: {because}.")

    def _unfit(self, fact: Numbered, because: str) -> Finding:
        return Finding(fact.position, f"Position {_named(fact)} is not what was recorded, in {self.where}: {because}.")


class StoreWalk:
    """Along the store, page by page. The connection: autocommit, and made ready by `numbered.prepare`."""

    def __init__(self, connection: Connection[Any], begin: Mark = BEGINNING) -> None:
        self._connection = connection
        self.chain = Chain("the store", begin, _leaps(connection))

    def page(self, up_to: int | None = None) -> tuple[Sequence[Numbered], Finding | None]:
        """The next facts, and what is wrong with them; none at the end."""
        facts = numbered.read(self._connection, self.chain.mark.position, _AT_ONCE)
        within = [fact for fact in facts if up_to is None or fact.position <= up_to]
        return within, self.chain.follow(within)

    def end(self) -> int:
        """The highest position; 0 where there is none."""
        row = self._connection.execute("SELECT coalesce(max(position), 0) FROM store.positions").fetchone()
        assert row is not None, "an aggregate always gives a row"
        return int(row[0])

    def hashes(self, positions: Iterable[int]) -> Mapping[int, bytes]:
        """The hashes at these positions, where there are any."""
        found = self._connection.execute(
            "SELECT position, hash FROM store.positions WHERE position = ANY (%s)", (list(positions),), binary=True
        )
        return dict(found.fetchall())


class KafkaWalk:
    """Along Kafka, from places in its sources (else from their beginning) to their ends as of now."""

    def __init__(self, events: InOrder, begin: Mark = BEGINNING, places: Mapping[Source, int] | None = None) -> None:
        self._events = events
        self._ends = events.ends()
        self._partitions = Counter(source.topic.encode() for source in self._ends)
        self.chain = Chain("Kafka", begin)
        events.begin(begin.position + 1, places or {}, self._ends)

    def page(self, up_to: int | None = None) -> tuple[Sequence[Numbered], Finding | None]:
        """The next facts in order, and what is wrong with them; none at the end."""
        facts = self._events.read(_AT_ONCE, up_to, 0 if up_to else _LATECOMERS_SECONDS)
        return facts, _first(self.chain.follow(facts), self._misplaced(facts))

    def pages(self, up_to: int) -> tuple[Sequence[Numbered], Finding | None]:
        """All facts up to a position that must be there, and what is wrong with them."""
        facts: list[Numbered] = []
        while self.chain.mark.position < up_to:
            more, finding = self.page(up_to)
            facts += more
            if finding is None and not more:
                last = self.chain.mark.position
                finding = self.chain.lacks(last + 1, f"nothing up to position {up_to} follows {last} there")
            if finding is not None:
                return facts, finding
        return facts, None

    def rest(self) -> Mapping[int, bytes]:
        """The hashes of all that stands behind that, by position, with or without gaps: what was under way just now."""
        found: dict[int, bytes] = {}
        while facts := self._events.read(_AT_ONCE):
            found |= {fact.position: fact.hash for fact in facts}
        return found

    def take_repeats(self) -> Sequence[Numbered]:
        """Facts that stood there once more, since this was last asked."""
        repeats, self._events.repeats = self._events.repeats, []
        return repeats

    def strangers(self) -> str:
        """A sentence about records that are no facts; empty where there are none."""
        if not self._events.strangers:
            return ""
        (source, offset, problem), *others = self._events.strangers
        more = f" There are {len(others)} others." if others else ""
        return (
            f"In {source.topic}, partition {source.partition}, at offset {offset}, stands a record that is no fact:"
            f" {problem}.{more} Only the publisher may write there; find who else does."
        )

    @property
    def progress(self) -> tuple[int, int]:
        """How many records were read, and how many there are."""
        return self._events.read_so_far, sum(self._ends.values())

    def _misplaced(self, facts: Iterable[Numbered]) -> Finding | None:
        for fact in facts:
            due = partition_of(fact.written.stream, self._partitions[fact.written.topic])
            if fact.partition != due:
                where = f"partition {fact.partition} of {fact.topic} in Kafka"
                return Finding(fact.position, f"Position {_named(fact)} stands in {where}, and belongs in {due}.")
        return None


class Checks:
    """Checkpoints on a walk along Kafka from its beginning: where one stands, hash and tallies must be as it says."""

    def __init__(self, checkpoints: Iterable[Checkpoint] = ()) -> None:
        self._to_come = deque(sorted(checkpoints, key=lambda checkpoint: checkpoint.position))
        self._tallies: dict[tuple[bytes, int], Tally] = {}
        self.passed = 0

    def follow(self, facts: Iterable[Numbered]) -> Finding | None:
        """Count these facts, and hold each checkpoint among them against what was counted."""
        for fact in facts if self._to_come else ():
            place = fact.written.topic, fact.partition
            self._tallies[place] = self._tallies.get(place, Tally()).after(fact.position, fact.hash)
            while self._to_come and self._to_come[0].position <= fact.position:
                if finding := self._differing(self._to_come.popleft(), fact):
                    return finding
                self.passed += 1
        return None

    def missed(self, end: int) -> Finding | None:
        """A checkpoint that lies beyond the end of Kafka."""
        if not self._to_come:
            return None
        signed = self._to_come[-1].position
        return Finding(
            end + 1, f"Kafka ends at position {end}, and a checkpoint was signed at {signed}: it lost facts."
        )

    def _differing(self, checkpoint: Checkpoint, fact: Numbered) -> Finding | None:
        signed = f"the checkpoint that was signed at position {checkpoint.position}"
        if (checkpoint.position, checkpoint.hash) != (fact.position, fact.hash):
            found = f"Kafka has {_short(fact.hash)} there, and {signed} says {_short(checkpoint.hash)}"
            return Finding(checkpoint.position, f"Position {_named(fact)} has another hash than was signed: {found}.")
        counted = {Source(topic.decode(), partition): tally for (topic, partition), tally in self._tallies.items()}
        for source in sorted(counted.keys() | checkpoint.tallies.keys()):
            if counted.get(source) != checkpoint.tallies.get(source):
                where = f"{source.topic}, partition {source.partition}"
                return Finding(checkpoint.position, f"In {where}, Kafka holds other facts than {signed} says.")
        return None


def walk_store(connection: Connection[Any], told: Told, up_to: int | None = None) -> Outcome:
    """The whole chain of the store, or its beginning."""
    store = StoreWalk(connection)
    end = store.end() if up_to is None else up_to
    while True:
        facts, finding = store.page(up_to)
        last, hash = store.chain.mark
        published = publications.furthest(connection) if up_to is None else up_to
        if not facts and published > last:
            finding = store.chain.lacks(last + 1, f"it ends at {last}, and Kafka has acknowledged more than that")
        told("the store", last, max(end, last))
        if finding or not facts:
            return Outcome(Mark(last, hash), finding)


def walk_kafka(events: InOrder, told: Told, checks: Checks, first: int = 1) -> Outcome:
    """The whole chain of Kafka. `first` is the position with which topics begin that were republished from there on."""
    kafka = KafkaWalk(events, BEGINNING if first == 1 else Mark(first - 1, b""))
    while True:
        facts, finding = kafka.page()
        if not facts and not kafka.chain.mark.hash:
            finding = kafka.chain.lacks(first, "there is no such position, nor any behind it")
        finding = _first(finding, checks.follow(facts), *(_unlike_itself(fact) for fact in kafka.take_repeats()))
        if not facts:
            finding = finding or checks.missed(kafka.chain.mark.position)
        told("Kafka", *kafka.progress)
        if finding or not facts:
            return Outcome(kafka.chain.mark, _with_strangers(finding, kafka))


def walk_both(
    connection: Connection[Any],
    events: InOrder,
    told: Told,
    checks: Checks,
    begin: Mark = BEGINNING,
    places: Mapping[Source, int] | None = None,
) -> Outcome:
    """Both chains side by side, from a mark on: up to what Kafka has acknowledged each fact is in both, and the same.

    What stands behind that in one of them was under way just now; where both have it, it is the same too.
    """
    store = StoreWalk(connection, begin)
    # Before Kafka's ends are asked for: all of it lies before them.
    published = publications.reach(connection, events.prefix).published
    kafka = KafkaWalk(events, begin, places)
    if (finding := _side_by_side(store, kafka, published, told, checks)) is not None:
        return Outcome(min(store.chain.mark, kafka.chain.mark), _with_strangers(finding, kafka))
    finding = _behind(store, kafka.rest()) or _differing(kafka.take_repeats(), store) or checks.missed(published)
    return Outcome(store.chain.mark, _with_strangers(finding, kafka))


def walk_window(
    connection: Connection[Any], events: InOrder, told: Told, begin: Mark, places: Mapping[Source, int], up_to: int
) -> Outcome:
    """Both chains side by side from a mark up to a position that both must have; what stands behind it is left alone.

    `events.places()` says afterwards where to read on.
    """
    store, kafka = StoreWalk(connection, begin), KafkaWalk(events, begin, places)
    finding = _side_by_side(store, kafka, up_to, told, Checks())
    return Outcome(min(store.chain.mark, kafka.chain.mark), _with_strangers(finding, kafka))


def window(connection: Connection[Any], after: int, size: int, end: int) -> int:
    """Where a window behind a position ends: `size` facts further, `end` at most, never among those that only Kafka has."""
    up_to = min(after + size, end)
    for before, mark in _leaps(connection).items():
        if before <= up_to <= mark.position and before < mark.position:
            return mark.position + 1 if mark.position < end else before
    return up_to


def _side_by_side(store: StoreWalk, kafka: KafkaWalk, up_to: int, told: Told, checks: Checks) -> Finding | None:
    """What is wrong first, or not the same, up to a position that both must have."""
    while (last := store.chain.mark.position) < up_to:
        ours, here = store.page(up_to)
        if not ours:
            here = store.chain.lacks(last + 1, f"it ends at {last}, and Kafka has acknowledged {up_to}")
        theirs, there = kafka.pages(ours[-1].position if ours else up_to)
        told("store and Kafka", store.chain.mark.position, up_to)
        finding = _first(
            *(_beside(here, kafka.chain), _beside(there, store.chain), _other(ours, theirs)),
            *(checks.follow(theirs), _differing(kafka.take_repeats(), store)),
        )
        if finding is not None:
            return finding
    return None


def _behind(store: StoreWalk, under_way: Mapping[int, bytes]) -> Finding | None:
    """What is wrong behind the last acknowledged position."""
    unknown = dict(under_way)
    while True:
        ours, finding = store.page()
        for fact in ours:
            if unknown.pop(fact.position, fact.hash) != fact.hash:
                return _first(finding, _another(fact.position))
        if finding or not ours:
            break
    if finding is None and unknown:
        position, end = min(unknown), store.chain.mark.position
        sentence = f"Position {position} is in Kafka, and the store ends at {end}: it was restored from an older state."
        return Finding(position, sentence)
    return finding


def _leaps(connection: Connection[Any]) -> Mapping[int, Mark]:
    """Where somebody let the log go on behind Kafka, though the store was older."""
    found = connection.execute(
        "SELECT store_position, kafka_position, kafka_hash FROM store.acceptances", binary=True
    ).fetchall()
    return {before: Mark(position, hash) for before, position, hash in found}


def _other(ours: Iterable[Numbered], theirs: Iterable[Numbered]) -> Finding | None:
    """A position at which both chains are whole, and hold different facts."""
    hashes = {fact.position: fact.hash for fact in ours}
    differing = (fact for fact in theirs if hashes.get(fact.position, fact.hash) != fact.hash)
    return next((_another(fact.position) for fact in differing), None)


def _differing(repeats: Sequence[Numbered], store: StoreWalk) -> Finding | None:
    """A repeat that is not what the store has."""
    hashes = store.hashes(fact.position for fact in repeats) if repeats else {}
    others = (_another(fact.position) for fact in repeats if hashes.get(fact.position, fact.hash) != fact.hash)
    return _first(*(_unlike_itself(fact) for fact in repeats), *others)


def _unlike_itself(fact: Numbered) -> Finding | None:
    if link(fact.previous_hash, position=fact.position, written=fact.written, value=fact.value) == fact.hash:
        return None
    return Finding(fact.position, f"Position {_named(fact)} stands in Kafka once more, and not as it was recorded.")


def _another(position: int) -> Finding:
    return Finding(position, f"Position {position} is another fact in Kafka than in the store.")


def _beside(finding: Finding | None, other: Chain) -> Finding | None:
    """The finding, and what the other side says of it."""
    if finding is None or finding.position is None or other.mark.position < finding.position:
        return finding
    return finding._replace(sentence=f"{finding.sentence} It is whole in {other.where}.")


def _with_strangers(finding: Finding | None, kafka: KafkaWalk) -> Finding | None:
    strangers = kafka.strangers()
    if finding is None:
        return Finding(None, strangers) if strangers else None
    return finding._replace(sentence=f"{finding.sentence} {strangers}".strip())


def _first(*findings: Finding | None) -> Finding | None:
    """That of the lowest position."""
    return min((finding for finding in findings if finding), key=lambda finding: finding.position or 0, default=None)


def _named(fact: Numbered) -> str:
    return f"{fact.position} ({fact.written.type.decode()} of {fact.stream}, version {fact.version})"


def _short(hash: bytes) -> str:
    return f"{hash.hex()[:12]}…"
