"""Reconciling: Kafka is read again and held against the store, window by window, for as long as a publisher leads.

Two walks go on in turns. One follows what is published, and looks at each fact soon after Kafka has acknowledged it. The
other goes over everything from the first fact on, and begins anew once a day, for disks rot and rows are changed later.
Between windows there is a pause of many times what the last one took, so that publishing hardly notices.
"""

import time
from collections.abc import Mapping
from contextlib import closing
from typing import Any

import structlog
from confluent_kafka import KafkaException
from prometheus_client import Counter, Gauge
from psycopg import Connection

from commands.publisher import facts
from commands.publisher.publications import Publication
from eventlog import numbered, publications, verification
from eventlog.in_order import InOrder
from eventlog.kafka import LogInterrupted, PlaceGone, open_log
from eventlog.log import Source
from eventlog.verification import Finding, Mark
from runtime.process import Stop
from schemas.cloudevents import ForeignRecord
from schemas.codec import SchemaUnknown
from schemas.names import TOPICS

POSITION = Gauge(
    "tillstream_reconciled_position",
    "Up to this position Kafka was found to hold what the store holds, as it was published.",
)
PASS_POSITION = Gauge(
    "tillstream_reconciliation_pass_position",
    "How far the present pass over everything has come; it begins anew once a day.",
)
AGE = Gauge(
    "tillstream_reconciliation_age_seconds",
    "Age of the last pass over everything that found no difference; while there is none, since when this publisher leads.",
)
DIFFERENCES = Counter(
    "tillstream_reconciliation_differences", "Differences between store and Kafka. The log names each."
)
BAD_POSITION = Gauge(
    "tillstream_reconciliation_bad_position", "The first position where store and Kafka differ; 0 while none is known."
)

WINDOW = 50_000
_PAUSES = 10  # So many times as long as a window took.
_SHORTEST_PAUSE_SECONDS = 0.5
_BEFORE_THE_FIRST_SECONDS = 5.0  # A new leader has waiting facts to publish first.
_ANEW_SECONDS = 24 * 3600.0

_NOT_NOW = (KafkaException, LogInterrupted)

log = structlog.get_logger()


class Walk:
    """One walk along both: up to where everything was the same, and what is in the way behind that."""

    def __init__(self, mark: Mark, places: Mapping[Source, int]) -> None:
        self.mark = mark
        self.places = places
        self.finding: Finding | None = None
        self.is_clean = True  # Whether nothing was found on the way.


class Reconciling:
    """Reconciles one publication. Owns its thread and an autocommit connection; opens a consumer for each window."""

    def __init__(
        self,
        connection: Connection[Any],
        publication: Publication,
        bootstrap_servers: str,
        every_seconds: float,
        over: Stop,
    ) -> None:
        self._over = over
        self._connection = connection
        self._publication = publication
        self._bootstrap_servers = bootstrap_servers
        self._every_seconds = every_seconds
        self._new: Walk | None = None
        self._all = self._from_the_first()
        self._began_at = self._completed_at = time.time()
        self._ended = False
        self._said: set[str] = set()
        AGE.set_function(lambda: time.time() - self._completed_at)

    def run(self) -> None:
        """Work until it is over, also in the middle of a window. Raises `psycopg.OperationalError`."""
        numbered.prepare(self._connection)
        pause = min(self._every_seconds, _BEFORE_THE_FIRST_SECONDS)
        while not self._over.wait(pause):
            began_at = time.monotonic()
            goes_on = self.look()
            took = time.monotonic() - began_at
            pause = max(took * _PAUSES, _SHORTEST_PAUSE_SECONDS) if goes_on else self._every_seconds

    def look(self) -> bool:
        """One window of each walk that has any. Whether more is to be looked at already."""
        published = publications.reach(self._connection, self._publication.prefix).published
        try:
            if self._new is None:
                self._new = self._from_here(published)
            follows = self._step(self._new, published)
            passes = self._pass(self._new.mark.position)
        except _NOT_NOW as error:
            if not self._over:
                log.warning("store and Kafka could not be compared; it is tried again", reason=str(error))
            return False
        finally:
            self._report()
        return follows or passes

    def _pass(self, up_to: int) -> bool:
        """A window of the walk over everything, which ends where the other one is. Whether it has further to go."""
        if self._ended:
            if time.time() < self._began_at + _ANEW_SECONDS:
                return False
            self._all, self._began_at, self._ended = self._from_the_first(), time.time(), False
            self._said.clear()
        if self._step(self._all, up_to):
            return True
        if self._all.mark.position >= up_to:
            self._end_pass()
        return False

    def _end_pass(self) -> None:
        self._ended = True
        if self._all.is_clean:
            self._completed_at = time.time()
            position, hash = self._all.mark
            seconds = round(self._completed_at - self._began_at, 1)
            log.info("store and Kafka hold the same", positions=position, hash=hash.hex(), seconds=seconds)

    def _step(self, walk: Walk, end: int) -> bool:
        """Go on by a window, up to `end` at most. Whether there is more behind it."""
        up_to = verification.window(self._connection, walk.mark.position, WINDOW, end)
        if up_to <= walk.mark.position:
            return False
        walk.finding = None
        with closing(self._events()) as events:
            try:
                walked = verification.walk_window(
                    self._connection, events, self._end_early, walk.mark, walk.places, up_to
                )
            except PlaceGone as error:
                walk.finding = Finding(walk.mark.position + 1, str(error))
            else:
                walk.finding = walked.finding
                if walk.finding is None or walk.finding.position is None:  # Foreign records do not break the chain.
                    walk.mark, walk.places = walked.whole_up_to, events.places()
        if walk.finding is not None:
            walk.is_clean = False
            self._tell(walk.finding)
        return walk.mark.position < end and (walk.finding is None or walk.finding.position is None)

    def _events(self) -> InOrder:
        prefix, over = self._publication.prefix, lambda: bool(self._over)
        return InOrder(self._bootstrap_servers, TOPICS.values(), prefix=prefix, over=over)

    def _end_early(self, *_: object) -> None:
        """Not to hold up the end of a term, and with it the next leader."""
        if self._over:
            raise LogInterrupted("It is over.")

    def _from_the_first(self) -> Walk:
        return Walk(self._mark(self._publication.first_position - 1), {})

    def _from_here(self, position: int) -> Walk:
        """From a position on, with the places behind it."""
        if position < self._publication.first_position:
            return self._from_the_first()
        prefix = self._publication.prefix
        with closing(
            open_log(self._bootstrap_servers, TOPICS.values(), prefix=prefix, group_id=f"{prefix}reconciling")
        ) as events:
            try:
                return Walk(self._mark(position), events.places_after(position))
            except (ForeignRecord, SchemaUnknown, PlaceGone):
                return self._from_the_first()  # What is wrong there is found, and named, on the way.

    def _mark(self, position: int) -> Mark:
        return Mark(position, facts.hash_at(self._connection, position))

    def _tell(self, finding: Finding) -> None:
        """Say it once for each difference, until a pass over everything begins anew."""
        if finding.sentence not in self._said:
            self._said.add(finding.sentence)
            DIFFERENCES.inc()
            log.error(
                "store and Kafka differ",
                position=finding.position,
                found=finding.sentence,
                what_to_do="Run `python -m commands verify`; docs/proof.md says what its sentences mean.",
            )

    def _report(self) -> None:
        walks = [self._all] if self._new is None else [self._new, self._all]
        POSITION.set(walks[0].mark.position)
        PASS_POSITION.set(self._all.mark.position)
        found = [walk.finding.position for walk in walks if walk.finding is not None and walk.finding.position]
        BAD_POSITION.set(min(found, default=0))
