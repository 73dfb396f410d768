"""The Kafka clients: their settings, and the sentence where no broker answers."""

import pytest
from confluent_kafka import KafkaException

from runtime import kafka
from runtime.kafka import KafkaUnreachable
from sandbox.addresses import free_port


def test_a_kafka_that_answers_is_ready(kafka_bootstrap: str) -> None:
    kafka.wait_until_ready(kafka_bootstrap, timeout_seconds=10)


def test_a_kafka_that_does_not_answer_is_named_with_how_to_start_it() -> None:
    nowhere = f"127.0.0.1:{free_port()}"

    with pytest.raises(KafkaUnreachable, match=rf"Kafka does not answer at {nowhere} .*`python -m sandbox kafka`"):
        kafka.wait_until_ready(nowhere, timeout_seconds=0.5)


def test_settings_may_be_written_with_underscores_and_reach_the_client(kafka_bootstrap: str) -> None:
    with pytest.raises(KafkaException, match=r"message\.max\.bytes"):
        kafka.producer(kafka_bootstrap, message_max_bytes=1)


def test_callbacks_keep_their_names(kafka_bootstrap: str) -> None:
    heard: list[str] = []
    producer = kafka.producer(kafka_bootstrap, stats_cb=heard.append, statistics_interval_ms=50)

    for _ in range(20):
        producer.poll(0.1)
        if heard:
            break

    assert heard[0].startswith("{")
