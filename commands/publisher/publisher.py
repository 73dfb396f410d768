"""The publisher: of all that run, one leads, numbers and sends; the others wait as spares.

Numbering goes on while Kafka is away. It begins only after Kafka was held against the store, anew in each term: Postgres
may have come back as an older one.
"""

import random
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import Any

import structlog
from psycopg import Connection

from commands.publisher import epoch as epochs
from commands.publisher import publications, sending, tails
from commands.publisher.checkpointing import Checkpointing
from commands.publisher.epoch import Fenced
from commands.publisher.halves import NumberingHalf, SendingHalf
from commands.publisher.handover import Handover
from commands.publisher.progress import LEADING
from commands.publisher.publications import Publication
from commands.publisher.reconciling import Reconciling
from commands.publisher.sending import Sender
from commands.publisher.tails import StoreOlderThanKafka, Tail
from commands.settings import PublisherSettings
from eventlog import checkpoints, topics
from eventlog.signatures import SigningKey
from runtime import kafka, leadership, postgres
from runtime.leadership import Leadership, LeadershipLost
from runtime.process import Stop

_ROOM = 8_000  # Numbered facts that wait in memory for sending; all others are read from the store.
_ASK_AGAIN_SECONDS = 0.5
_PATIENCE_SECONDS = 10.0  # Many times what numbering one batch takes.

log = structlog.get_logger()


class Publisher:
    """Runs until it is asked to stop. `accepted` says why the log shall go on, though the store is older than Kafka."""

    def __init__(self, settings: PublisherSettings, stop: Stop, accepted: str | None = None) -> None:
        self._settings = settings
        self._stop = stop
        self._accepted = accepted

    def run(self) -> None:
        """Lead whenever possible. Where Postgres goes away, or another takes over, stand for it again.

        Raises `KafkaUnreachable`, `TopicsUnfit`, `ForeignRecord`, `StoreOlderThanKafka`, `AnotherHistory`, `DeliveryFailed`.
        """
        if self._settings.signing_key is None:
            log.info("checkpoints are off: TILLSTREAM_SIGNING_KEY is not set")
        while not self._stop:
            try:
                self._lead()
            except (*postgres.INTERRUPTED, LeadershipLost, Fenced) as error:
                log.warning("not leading", reason=str(error).strip())
                self._stop.wait(random.uniform(0.2, 1.0))

    def _lead(self) -> None:
        """One term, from the lock to its loss or the end of the process."""
        lead = leadership.wait(self._settings.database_url, "publisher", self._stop)
        if lead is None:
            return
        with lead, ExitStack() as term:
            connection = term.enter_context(self._connect("sending"))
            epoch = epochs.take(connection)
            publication = self._publication(connection, epoch, lead)
            if publication is None:
                return
            sender = self._prepare(connection, epoch, publication)
            self._accepted = None  # It was said of this store. Another that comes back older is another matter.
            term.callback(sender.close)
            LEADING.set(1)
            term.callback(LEADING.set, 0)
            log.info("leading", epoch=epoch, sends_after=sender.handed)
            self._work(connection, epoch, publication, sender, lead)

    def _publication(self, connection: Connection[Any], epoch: int, lead: Leadership) -> Publication | None:
        """The topics to fill, once nobody republishes to them; None where it was asked to stop before."""
        said = False
        while not self._stop:
            lead.confirm()
            if (publication := publications.take_up(connection, epoch, self._settings)) is not None:
                return publication
            if not said:
                log.warning("waits for the end of the republishing to its topics", prefix=self._settings.prefix)
                said = True
            self._stop.wait(_ASK_AGAIN_SECONDS)
        return None

    def _prepare(self, connection: Connection[Any], epoch: int, publication: Publication) -> Sender:
        """Hold Kafka against the store, and say from where on to send."""
        settings = self._settings
        kafka.wait_until_ready(settings.bootstrap_servers)
        admin = kafka.admin(settings.bootstrap_servers)
        topics.ensure(admin, settings)
        if settings.signing_key is not None:
            topics.ensure_checkpoints(admin, checkpoints.TOPIC, settings)
        found = tails.read(settings.bootstrap_servers, settings)
        self._compare(connection, epoch, found)
        after = tails.first_missing(connection, publication, found)
        if after < publication.published:
            log.warning("Kafka lacks facts that it had acknowledged; they are sent again", sends_after=after)
        producer = sending.producer(settings.bootstrap_servers, compression=settings.compression)
        return Sender(producer, prefix=settings.prefix, service_url=settings.service_url, after=after, tails=found)

    def _compare(self, connection: Connection[Any], epoch: int, found: Sequence[Tail]) -> None:
        try:
            tails.compare(connection, found)
        except StoreOlderThanKafka as error:
            if self._accepted is None:
                raise
            tails.accept(connection, epoch, found, self._accepted)
            log.warning("an older store was accepted", reason=self._accepted, found=str(error))

    def _work(
        self, connection: Connection[Any], epoch: int, publication: Publication, sender: Sender, lead: Leadership
    ) -> None:
        """Both halves side by side, and what goes on beside them, until one fails or the process is asked to stop."""
        handover = Handover(_ROOM)
        ended = Stop()
        with ThreadPoolExecutor(3, "beside sending") as executor:
            beside = [executor.submit(self._number, epoch, handover, lambda: bool(ended))]
            if (key := self._settings.signing_key) is not None:
                beside.append(executor.submit(self._make_checkpoints, epoch, publication, key, ended))
            if self._settings.reconcile_seconds:
                beside.append(executor.submit(self._reconcile, publication, ended))
            try:
                sending = SendingHalf(connection, epoch, self._settings.partitions, sender, handover)
                sending.run(self._until_over(beside, lead))
            finally:
                ended.set()
        for work in beside:
            work.result()

    def _number(self, epoch: int, handover: Handover, ended: Callable[[], bool]) -> None:
        with self._connect("numbering") as connection, self._connect("listening") as listening:
            NumberingHalf(connection, listening, epoch, self._settings.partitions, handover).run(ended)

    def _make_checkpoints(self, epoch: int, publication: Publication, key: SigningKey, ended: Stop) -> None:
        settings = self._settings
        with self._connect("checkpoints") as connection:
            made = Checkpointing(connection, epoch, key, settings.bootstrap_servers, publication)
            made.run(partial(ended.wait, settings.checkpoint_seconds))

    def _reconcile(self, publication: Publication, ended: Stop) -> None:
        settings = self._settings
        with self._connect("reconciling") as connection:
            every_seconds = settings.reconcile_seconds
            Reconciling(connection, publication, settings.bootstrap_servers, every_seconds, ended).run()

    def _until_over(self, beside: Sequence["Future[None]"], lead: Leadership) -> Callable[[], bool]:
        def is_over() -> bool:
            lead.confirm()
            return bool(self._stop) or any(work.done() for work in beside)

        return is_over

    def _connect(self, purpose: str) -> Connection[Any]:
        url = self._settings.database_url
        return postgres.connect(url, name=f"publisher {purpose}", autocommit=True, patience_seconds=_PATIENCE_SECONDS)
