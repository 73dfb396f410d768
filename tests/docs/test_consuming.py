"""The programs of docs/consuming.md, as they stand there: each reads every event once, with nothing of ours."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette

from api.routes.registry import routes
from schemas import codec
from schemas.contracts import contracts
from schemas.names import EVENTS, name_of, topic_of
from schemas.registry import Registry
from schemas.rendering import to_json
from tests import toolchains
from tests.published import History, lives_of_payments, make_topics, send
from tests.schemas.samples import sample

GUIDE = (Path(__file__).parents[2] / "docs" / "consuming.md").read_text("utf-8")
HERE = Path(__file__).parent

NODE = {"kafkajs": "2.2.4", "@kafkajs/confluent-schema-registry": "4.1.0", "tsx": "4.23.15"}
GO = {"github.com/hamba/avro/v2": "v2.31.0", "github.com/twmb/franz-go": "v1.22.3"}
JAVA = ("org.apache.kafka:kafka-clients:4.1.0", "org.apache.avro:avro:1.12.1", "org.slf4j:slf4j-simple:1.7.36")


def snippet(language: str) -> str:
    found = re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)
    assert len(found) == 1
    return str(found[0])


def python(folder: Path) -> Sequence[str]:
    (folder / "consume.py").write_text(snippet("python"))
    return [sys.executable, str(folder / "consume.py")]


def typescript(folder: Path) -> Sequence[str]:
    installed = toolchains.node_packages(NODE)
    (installed / "consume.mts").write_text(snippet("typescript"))
    return ["node", "--import", f"{installed}/node_modules/tsx/dist/esm/index.mjs", str(installed / "consume.mts")]


def go(folder: Path) -> Sequence[str]:
    return [str(toolchains.go_program(snippet("go"), GO))]


def java(folder: Path) -> Sequence[str]:
    toolchains.find("javac")
    jars = toolchains.maven_jars(JAVA)
    (folder / "Consume.java").write_text(snippet("java"))
    return ["java", "-cp", f"{jars}/*", str(folder / "Consume.java")]


@dataclass(frozen=True)
class Topics:
    """Topics with facts in them, and what a reader must know to read them."""

    environment: Mapping[str, str]
    prefix: str
    bootstrap: str


@pytest.fixture
def topics(kafka_bootstrap: str, topic_prefix: str) -> Iterator[Topics]:
    make_topics(kafka_bootstrap, topic_prefix)
    app = Starlette(routes=routes(Registry(contracts().values(), topic_prefix)))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    listening = server.config.bind_socket()
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    environment = {
        **os.environ,
        "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap,
        "KAFKA_TOPIC_PREFIX": topic_prefix,
        "SCHEMA_REGISTRY_URL": f"http://127.0.0.1:{listening.getsockname()[1]}/registry",
        "KAFKAJS_NO_PARTITIONER_WARNING": "1",
    }
    yield Topics(environment, topic_prefix, kafka_bootstrap)
    server.should_exit = True
    thread.join()


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("language", [python, typescript, go, java])
def test_the_guides_program_reads_every_payment_once(language: Any, topics: Topics, tmp_path: Path) -> None:
    command = language(tmp_path)
    history = lives_of_payments(20)
    succeeded = [fact for fact in history.facts if fact.type == "payment.succeeded"]
    send(topics.bootstrap, topics.prefix, history.facts)
    send(topics.bootstrap, topics.prefix, succeeded[-4:])  # What a restarted publisher may send again.
    send(topics.bootstrap, topics.prefix, lives_of_payments(1, seed=2, history=history).facts[-2:])

    expected = [
        {"position": fact.position, "payment": fact.stream, "amount": to_json(fact)["data"]["amount_minor"]}
        for fact in history.facts
        if fact.type == "payment.succeeded"
    ]
    assert by_position(lines_of(command, topics.environment, len(expected))) == expected


@pytest.mark.timeout(1200)
def test_a_stock_client_of_another_language_reads_every_event_type(topics: Topics) -> None:
    """Every field of every event as kafkajs and its registry client give it: the same fact as ours."""
    installed = toolchains.node_packages(NODE)
    (installed / "every_event.mjs").write_text((HERE / "every_event.mjs").read_text())
    history = History()
    for number, cls in enumerate(EVENTS.values()):
        history.add(topic_of(name_of(sample(cls))), f"stream_{number}", sample(cls))
    send(topics.bootstrap, topics.prefix, history.facts)

    read = by_position(lines_of(["node", str(installed / "every_event.mjs")], topics.environment, len(EVENTS)))

    assert [(line["type"], line["record"]) for line in read] == [
        (fact.type, plain(codec.read_record(fact.value))) for fact in history.facts
    ]


def plain(record: Mapping[str, Any]) -> Any:
    """A record as a reader has it that leaves logical types alone: times are whole microseconds."""
    return json.loads(json.dumps(record, default=lambda moment: round(moment.timestamp() * 1_000_000)))


def by_position(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(lines, key=lambda line: int(line["position"]))


def lines_of(command: Sequence[str], environment: Mapping[str, str], count: int) -> list[dict[str, Any]]:
    """What a program that never ends has printed, once it has printed so many lines and then nothing for a while."""
    process = subprocess.Popen(
        command,
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # so that what it starts itself ends with it
    )
    assert process.stdout is not None
    printed: Queue[str] = Queue()
    reading = threading.Thread(target=lambda: deque(map(printed.put, process.stdout or ()), maxlen=0))
    reading.start()
    said: list[str] = []

    def found() -> list[str]:
        return [line for line in said if line.startswith("{") and '"position"' in line]

    deadline = time.monotonic() + 120
    try:
        while time.monotonic() < deadline:
            try:
                said.append(printed.get(timeout=3 if len(found()) >= count else 1))
            except Empty:
                if len(found()) >= count or process.poll() is not None:
                    break
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        reading.join()
        process.stdout.close()
    if (
        len(found()) < count
    ):  # What it says of a broker that is just starting does not count, but may say why it failed.
        pytest.fail("".join(said))
    return [json.loads(line) for line in found()]
