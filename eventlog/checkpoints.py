"""Signed checkpoints: where the log stood at a moment, in each partition too, so that a reader of one can prove its reading.

`docs/proof.md` states the format for readers in other languages; `checkpoint_vectors.json` holds an example.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition
from psycopg import Connection

from eventlog import signatures
from eventlog.log import Source
from eventlog.signatures import PublicKey, SignatureInvalid, SigningKey
from eventlog.topics import full_name
from runtime import kafka
from schemas import times

TOPIC = "checkpoints"
CONTENT_TYPE = "application/jose"


class Tally(NamedTuple):
    """What a reader of one partition knows of it: how many facts it read, the last one's position, and a running hash.

    The running hash is SHA-256(the running hash before ‖ the fact's own hash), from 32 zero bytes on.
    """

    facts: int = 0
    position: int = 0
    hash: bytes = bytes(32)

    def after(self, position: int, hash: bytes) -> "Tally":
        """What it is when one more fact was read. Repeats (positions that are not higher) do not count."""
        return Tally(self.facts + 1, position, sha256(self.hash + hash).digest())


class Checkpoint(NamedTuple):
    """All facts up to `position`, whose hash is `hash`, and what of them lies in each partition that has any."""

    prefix: str
    position: int
    hash: bytes
    made_at: datetime
    tallies: Mapping[Source, Tally]


class CheckpointInvalid(Exception):
    """A record in the topic of checkpoints was not signed by a key that we know, was changed, or is no checkpoint."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"A checkpoint cannot be trusted: {problem}.")


def signed(checkpoint: Checkpoint, key: SigningKey) -> str:
    """A checkpoint as it is published: a JWS in its compact form."""
    return key.sign(_payload(checkpoint))


def read(jws: str, keys: Mapping[str, PublicKey]) -> Checkpoint:
    """The checkpoint that one of these keys, by their ids, has signed. Raises `CheckpointInvalid`."""
    try:
        return _checkpoint(signatures.opened(jws, keys))
    except SignatureInvalid as error:
        raise CheckpointInvalid(str(error)) from error


def read_own(jws: str) -> Checkpoint:
    """The checkpoint in a text of one's own, its signature not checked. Raises `CheckpointInvalid`."""
    return _checkpoint(signatures.unchecked(jws))


class KeysUnreadable(Exception):
    """A file holds no JSON Web Key Set."""

    def __init__(self, file: Path, error: Exception) -> None:
        super().__init__(f"{file} does not hold the public keys as the API serves them at /checkpoints/keys: {error}.")


def keys_in(file: Path) -> Mapping[str, PublicKey]:
    """The public keys in a file, by their ids. Raises `KeysUnreadable`."""
    try:
        return signatures.from_jwks(json.loads(file.read_bytes()))
    except (OSError, ValueError) as error:
        raise KeysUnreadable(file, error) from error


def kept_keys(connection: Connection[Any]) -> Mapping[str, PublicKey]:
    """The public keys that the store knows, by their ids: every one that ever signed a checkpoint."""
    rows = connection.execute("SELECT public_key FROM store.signing_keys").fetchall()
    keys = [PublicKey(raw) for (raw,) in rows]
    return {key.id: key for key in keys}


def all_published(bootstrap_servers: str, prefix: str, timeout_seconds: float = 30.0) -> Sequence[str]:
    """The signed texts that the topic of checkpoints holds, oldest first; none where there is no such topic.

    Raises `KafkaUnreachable`.
    """
    place = TopicPartition(full_name(prefix, TOPIC), 0, OFFSET_BEGINNING)
    settings = {"group_id": place.topic, "enable_auto_commit": False, "enable_partition_eof": True}
    with closing(kafka.consumer(bootstrap_servers, **settings)) as consumer:
        try:
            if place.topic not in consumer.list_topics(timeout=timeout_seconds).topics:
                return []
            consumer.assign([place])
            records = _to_the_end(consumer, timeout_seconds)
            return [(record.value() or b"").decode(errors="replace") for record in records]
        except (KafkaException, TimeoutError) as error:
            raise kafka.KafkaUnreachable(bootstrap_servers, error) from error


def _to_the_end(consumer: Consumer, timeout_seconds: float) -> Iterator[Message]:
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        message = consumer.poll(0.25)
        if message is None:
            continue
        error = message.error()
        if error is None:
            yield message
        elif error.code() == KafkaError._PARTITION_EOF:
            return
        else:
            raise KafkaException(error)
    raise TimeoutError("the topic of checkpoints did not come to its end")


def _payload(checkpoint: Checkpoint) -> bytes:
    topics: dict[str, dict[str, Any]] = {}
    for source, tally in sorted(checkpoint.tallies.items()):
        of_topic = topics.setdefault(source.topic, {})
        of_topic[str(source.partition)] = {"count": tally.facts, "position": tally.position, "hash": tally.hash.hex()}
    document = {
        "prefix": checkpoint.prefix,
        "position": checkpoint.position,
        "hash": checkpoint.hash.hex(),
        "time": times.to_text(checkpoint.made_at),
        "topics": topics,
    }
    return json.dumps(document, separators=(",", ":")).encode()


def _checkpoint(payload: bytes) -> Checkpoint:
    try:
        document = json.loads(payload)
        return Checkpoint(
            prefix=document["prefix"],
            position=document["position"],
            hash=bytes.fromhex(document["hash"]),
            made_at=times.from_text(document["time"]),
            tallies={
                Source(topic, int(partition)): Tally(tally["count"], tally["position"], bytes.fromhex(tally["hash"]))
                for topic, of_topic in document["topics"].items()
                for partition, tally in of_topic.items()
            },
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointInvalid(f"its signed text is no checkpoint ({error!r})") from error
