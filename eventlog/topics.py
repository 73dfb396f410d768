"""The topics of the log: their names, the settings that readers rely on, and which partition a stream belongs to.

The publisher alone creates them. Every process that finds other settings refuses to start: what they promise (nothing is
ever deleted, the order per stream holds, the broker's clock) cannot be had again once it was broken.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, NamedTuple

from confluent_kafka import KafkaError, KafkaException, TopicCollection, murmur2
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # Documented, yet not exported by its stubs.
    AdminClient,
    ConfigResource,
    ResourceType,
)
from confluent_kafka.cimpl import NewTopic
from pydantic import Field

from schemas.names import TOPICS

_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSettings:
    """What the environment says about topics. The partitions are fixed at creation: more would break the order per stream."""

    prefix: Annotated[str, Field(alias="KAFKA_TOPIC_PREFIX", pattern=r"^[a-zA-Z0-9._-]{1,200}$")] = "tillstream."
    partitions: Annotated[int, Field(alias="KAFKA_TOPIC_PARTITIONS", ge=1, le=10_000)] = 12
    replication: Annotated[int, Field(alias="KAFKA_TOPIC_REPLICATION", ge=1)] = 3
    min_isr: Annotated[int, Field(alias="KAFKA_TOPIC_MIN_ISR", ge=1)] = 2


class TopicsMissing(Exception):
    """The publisher has not created them yet."""

    def __init__(self, topics: Sequence[str]) -> None:
        super().__init__(
            f"Kafka has no topic {', '.join(topics)}. The publisher creates the topics: start `python -m commands publisher`,"
            " or set KAFKA_TOPIC_PREFIX to the prefix that it has."
        )


class TopicsUnfit(Exception):
    """Topics exist, but not as readers rely on them. The message has a line for each setting: found and wanted."""

    def __init__(self, differences: Sequence[str]) -> None:
        super().__init__("Topics are not as they must be:\n" + "\n".join(f"  {line}" for line in differences))


class TopicIdentity(NamedTuple):
    """Which topic it is. The broker gives an `id` of its own to each that it makes, also to one of an old one's name."""

    name: str
    id: str
    partitions: int


def full_name(prefix: str, topic: str) -> str:
    """The broker's name of a logical topic: `tillstream.payments`."""
    return prefix + topic


def full_names(prefix: str) -> Sequence[str]:
    """All topics of the log, as the broker names them."""
    return [full_name(prefix, topic) for topic in TOPICS.values()]


def partition_of(key: bytes, partitions: int) -> int:
    """The partition of a stream's facts, by its id: what Java's default partitioner and `murmur2_random` choose."""
    return murmur2(key, partitions)


def ensure(admin: AdminClient, settings: TopicSettings) -> None:
    """Create the topics that are missing, then check all. For the publisher only. Raises `TopicsUnfit`."""
    _ensure(admin, _log(settings))


def ensure_checkpoints(admin: AdminClient, topic: str, settings: TopicSettings) -> None:
    """Create the topic of signed checkpoints where it is missing, then check it. Raises `TopicsUnfit`."""
    _ensure(admin, _checkpoints(topic, settings))


def check(admin: AdminClient, settings: TopicSettings, timeout_seconds: float = 0.0) -> None:
    """Return if all topics are as they must be. Waits for missing ones at most `timeout_seconds`.

    Raises `TopicsMissing` or `TopicsUnfit`.
    """
    _check(admin, _log(settings), timeout_seconds)


def identities(admin: AdminClient, names: Sequence[str]) -> Mapping[str, TopicIdentity]:
    """Which topics these are, by their names. Raises `KafkaException` where one is missing or the broker is away."""
    answers = admin.describe_topics(TopicCollection(list(names)), request_timeout=_TIMEOUT_SECONDS)
    found = {name: answer.result(_TIMEOUT_SECONDS) for name, answer in answers.items()}
    return {
        name: TopicIdentity(name, str(topic.topic_id), len(topic.partitions)) for name, topic in sorted(found.items())
    }


class _Wanted(NamedTuple):
    """Topics, and what each of them must be."""

    topics: Sequence[str]
    partitions: int
    replication: int
    config: Mapping[str, str]


def _log(settings: TopicSettings) -> _Wanted:
    config = {
        "cleanup.policy": "delete",
        "retention.ms": "-1",  # For ever; and no limit by size either.
        "retention.bytes": "-1",
        **_safe(settings),
    }
    return _Wanted(full_names(settings.prefix), settings.partitions, settings.replication, config)


def _checkpoints(topic: str, settings: TopicSettings) -> _Wanted:
    config = {"cleanup.policy": "compact", **_safe(settings)}
    return _Wanted([full_name(settings.prefix, topic)], 1, settings.replication, config)


def _safe(settings: TopicSettings) -> Mapping[str, str]:
    return {
        "message.timestamp.type": "LogAppendTime",
        "min.insync.replicas": str(settings.min_isr),
        "unclean.leader.election.enable": "false",
    }


def _ensure(admin: AdminClient, wanted: _Wanted) -> None:
    with _told():
        if missing := _missing(admin, wanted):
            _create(admin, missing, wanted)
    _check(admin, wanted, _TIMEOUT_SECONDS)


def _check(admin: AdminClient, wanted: _Wanted, timeout_seconds: float) -> None:
    deadline = time.monotonic() + timeout_seconds
    with _told():
        while missing := _missing(admin, wanted):
            if time.monotonic() >= deadline:
                raise TopicsMissing(missing)
            time.sleep(0.1)
        differences = [*_differing_shapes(admin, wanted), *_differing_configs(admin, wanted)]
    if differences:
        raise TopicsUnfit(differences)


@contextmanager
def _told() -> Iterator[None]:
    """Raise `TopicsUnfit` where the broker does not say what there is."""
    try:
        yield
    except KafkaException as error:
        raise TopicsUnfit(
            [f"Nobody knows how they are: Kafka says {error.args[0].str()}. See that it runs."]
        ) from error


def _create(admin: AdminClient, topics: Sequence[str], wanted: _Wanted) -> None:
    new = [NewTopic(topic, wanted.partitions, wanted.replication, config=dict(wanted.config)) for topic in topics]
    for topic, creation in admin.create_topics(new).items():
        try:
            creation.result(_TIMEOUT_SECONDS)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise TopicsUnfit([f"{topic} cannot be created: {error.args[0].str()}"]) from error


def _missing(admin: AdminClient, wanted: _Wanted) -> list[str]:
    there = admin.list_topics(timeout=_TIMEOUT_SECONDS).topics
    return [topic for topic in wanted.topics if topic not in there]


def _differing_shapes(admin: AdminClient, wanted: _Wanted) -> Iterator[str]:
    there = admin.list_topics(timeout=_TIMEOUT_SECONDS).topics
    for topic in wanted.topics:
        partitions = there[topic].partitions
        replication = min((len(partition.replicas) for partition in partitions.values()), default=0)
        yield from _difference(topic, "the number of partitions", str(len(partitions)), str(wanted.partitions))
        yield from _difference(topic, "replication.factor", str(replication), str(wanted.replication))


def _differing_configs(admin: AdminClient, wanted: _Wanted) -> Iterator[str]:
    resources = [ConfigResource(ResourceType.TOPIC, topic) for topic in wanted.topics]
    for resource, answer in admin.describe_configs(resources).items():
        found = answer.result(_TIMEOUT_SECONDS)
        for name, value in wanted.config.items():
            yield from _difference(resource.name, name, str(found[name].value), value)


def _difference(topic: str, setting: str, found: str, wanted: str) -> Iterator[str]:
    if found != wanted:
        yield f"{topic}: {setting} is {found} and must be {wanted}."
