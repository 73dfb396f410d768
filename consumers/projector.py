"""The projector: reads the topics and keeps the read models up to date, as one of any number that share the partitions."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import psycopg
import structlog
from psycopg import Connection

from consumers.lag import Lag
from consumers.standstills import Standstills
from eventlog.kafka import KafkaLog, LogInterrupted
from eventlog.log import Batch, Source
from projections import checkpoints, folding, followed, generations
from projections.checkpoints import Checkpoints, CheckpointsMoved
from projections.read_model import ReadModel
from runtime import postgres
from runtime.process import Stop

log = structlog.get_logger()

_FACTS_AT_ONCE = 5_000
_READ_SECONDS = 0.25
_LOOK_AROUND_SECONDS = 0.5
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 5.0

_CAN_BE_OVERCOME = (*postgres.INTERRUPTED, LogInterrupted, CheckpointsMoved)


class Projector:
    """Runs until it is asked to stop. Places in the log are kept in Postgres with the rows, never in Kafka.

    Whatever goes wrong on the way (Postgres or Kafka away, partitions taken by another) it leaves the group, waits a
    little, and begins again from the checkpoints. `connect` opens a connection as `folding.connect` does.
    """

    def __init__(
        self, events: KafkaLog, models: Sequence[ReadModel], connect: Callable[[], Connection[Any]], stop: Stop
    ) -> None:
        self._events = events
        self._models = models
        self._connect = connect
        self._stop = stop
        self._lag = Lag()
        self._standstills = Standstills([model.name for model in models])
        self._held: Checkpoints = {}
        self._left: Checkpoints = {}  # What could not be released when Postgres was lost.
        self._pause = _FIRST_PAUSE_SECONDS

    def run(self) -> None:
        """Raises `SchemaUnknown`, `ForeignRecord`, `PlaceGone`, `OtherTopics`, `ReadModelBroken`: no waiting helps there."""
        try:
            while not self._stop:
                try:
                    self._project()
                except _CAN_BE_OVERCOME as error:
                    self._step_back(error)
        finally:
            self._events.close()

    def _project(self) -> None:
        """Take part in the group, from a new connection to its loss or the end of the process."""
        with self._connect() as connection:
            checkpoints.release(connection, self._left)
            self._left = {}
            generations.ensure_live(connection, self._models)
            self._events.join(lambda sources: self._take_over(connection, sources), lambda: self._give_up(connection))
            try:
                self._read_and_show(connection)
            finally:
                self._let_go(connection)

    def _read_and_show(self, connection: Connection[Any]) -> None:
        looked_around_at = float("-inf")
        while not self._stop:
            batches = self._events.read(_FACTS_AT_ONCE, _READ_SECONDS)
            if time.monotonic() - looked_around_at > _LOOK_AROUND_SECONDS:
                looked_around_at = time.monotonic()
                self._standstills.report(connection)
                if self._look_around(connection):
                    continue  # We read on from other places, which these batches may lie behind.
            self._show(connection, batches)

    def _show(self, connection: Connection[Any], batches: Sequence[Batch]) -> None:
        if batches:
            try:
                self._held = folding.fold(connection, self._held, batches)
            except CheckpointsMoved:
                self._begin_again_where_ours(connection)
                return
            self._lag.applied(batches)
        if self._held:
            self._all_is_well()
        self._lag.report(self._held, self._events.ends_last_heard(self._sources()))

    # Which partitions are ours, and which generations there are.

    def _take_over(self, connection: Connection[Any], sources: Collection[Source]) -> Mapping[Source, int]:
        """These partitions are ours from now on: claim them in every generation, and say where to read on in each."""
        kept = generations.load(connection, self._models, "live", "following")
        self._give_up(connection)
        self._held = checkpoints.claim(connection, kept, sources)
        followed.agree(connection, self._events.identities())
        log.info("projecting", partitions=len(sources), generations=[generation.schema for generation in kept])
        return checkpoints.lowest(self._held)

    def _give_up(self, connection: Connection[Any]) -> None:
        """Leave what is ours to others, in good order: nobody is to think that we died of something."""
        given_up, self._held = self._held, {}
        checkpoints.release(connection, given_up)

    def _look_around(self, connection: Connection[Any]) -> bool:
        """Take up new generations and let go of dropped ones. Whether there were any: then reading begins elsewhere."""
        kept = generations.load(connection, self._models, "live", "following")
        if not self._held or set(kept) == set(self._held):
            return False
        self._events.seek(self._take_over(connection, self._sources()))
        return True

    def _begin_again_where_ours(self, connection: Connection[Any]) -> None:
        """Some generation could not be moved. If it is only gone, go on with the rest; if another claimed it, leave."""
        current = checkpoints.load(connection, generations.load(connection, self._models, "live", "following"))
        for generation, places in self._held.items():
            for source, place in places.items() if generation in current else ():
                if current[generation].get(source, place).epoch != place.epoch:
                    raise CheckpointsMoved(f"another projector keeps {generation.schema} up to date in {source}")
        self._events.seek(self._take_over(connection, self._sources()))

    def _sources(self) -> Collection[Source]:
        return {source for places in self._held.values() for source in places}

    # Trouble, and its end.

    def _let_go(self, connection: Connection[Any]) -> None:
        """Release what is ours, now or as soon as Postgres is back."""
        held = self._held
        try:
            self._give_up(connection)
        except psycopg.Error:
            self._left = held

    def _step_back(self, error: Exception) -> None:
        if self._pause == _FIRST_PAUSE_SECONDS:  # Said once; what follows is the same trouble.
            log.warning("the read models stand still for a moment", reason=str(error).strip())
        self._events.leave()
        self._stop.wait(self._pause)
        self._pause = min(self._pause * 2, _LONGEST_PAUSE_SECONDS)

    def _all_is_well(self) -> None:
        if self._pause != _FIRST_PAUSE_SECONDS:
            log.info("the read models are kept up to date again")
            self._pause = _FIRST_PAUSE_SECONDS
