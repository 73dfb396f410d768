"""Kafka's jars: what is pinned, and what happens when it cannot be had. No test here uses the network."""

import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sandbox import jars, maven
from sandbox.addresses import LOOPBACK, free_port
from sandbox.jars import JarsUnavailable, are_here, cache_folder, kafka_jars, pinned_jars

CONTENT = b"a jar"


class Central:
    """Stands in for Maven Central: serves the same bytes for every jar, and keeps what it was asked for."""

    def __init__(self) -> None:
        self.content = CONTENT
        self.served: list[str] = []

    def handler(self) -> type[BaseHTTPRequestHandler]:
        central = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                central.served.append(self.path)
                self.send_response(200)
                self.send_header("Content-Length", str(len(central.content)))
                self.end_headers()
                self.wfile.write(central.content)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@pytest.fixture(autouse=True)
def two_jars_and_an_empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = hashlib.sha256(CONTENT).hexdigest()
    (tmp_path / "pinned").write_text(f"{digest}  org.example:one:1.0\n{digest}  org.example:two:2.0\n")
    monkeypatch.setattr(jars, "PINNED", tmp_path / "pinned")
    monkeypatch.setenv("TILLSTREAM_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def central(monkeypatch: pytest.MonkeyPatch) -> Iterator[Central]:
    central = Central()
    with ThreadingHTTPServer((LOOPBACK, 0), central.handler()) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setattr(maven, "repository_url", lambda: f"http://{LOOPBACK}:{server.server_port}/maven")
        yield central
        server.shutdown()


def left_in_cache() -> set[str]:
    return {path.name for path in cache_folder().iterdir() if path.suffix != ".lock"}


def test_all_jars_are_fetched_into_one_folder(central: Central) -> None:
    folder = kafka_jars()

    assert sorted(central.served) == [
        "/maven/org/example/one/1.0/one-1.0.jar",
        "/maven/org/example/two/2.0/two-2.0.jar",
    ]
    assert {path.name for path in folder.iterdir()} == {"one-1.0.jar", "two-2.0.jar"}
    assert left_in_cache() == {folder.name}


def test_the_second_call_fetches_nothing(central: Central) -> None:
    assert kafka_jars() == kafka_jars()

    assert len(central.served) == 2


def test_it_is_known_beforehand_whether_something_must_be_fetched(central: Central) -> None:
    assert not are_here()
    kafka_jars()
    assert are_here()


def test_callers_at_the_same_time_fetch_once(central: Central) -> None:
    with ThreadPoolExecutor(8) as callers:
        folders = {future.result() for future in [callers.submit(kafka_jars) for _ in range(8)]}

    assert len(folders) == 1
    assert len(central.served) == 2


def test_another_list_of_jars_has_another_folder(central: Central) -> None:
    before = kafka_jars()
    jars.PINNED.write_text(jars.PINNED.read_text().replace("one:1.0", "one:1.1"))

    assert kafka_jars() != before
    assert (kafka_jars() / "one-1.1.jar").exists()


def test_a_jar_that_is_not_what_is_pinned_is_refused_and_nothing_is_kept(central: Central) -> None:
    central.content = b"something else"

    with pytest.raises(JarsUnavailable, match=r"one-1\.0\.jar is not the file that is pinned"):
        kafka_jars()

    assert left_in_cache() == set()


def test_without_a_network_a_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maven, "repository_url", lambda: f"http://{LOOPBACK}:{free_port()}/maven")

    with pytest.raises(JarsUnavailable, match=r"could not be fetched from Maven Central \(one-1\.0\.jar: .*refused"):
        kafka_jars()

    assert left_in_cache() == set()


def test_after_a_failure_the_next_call_fetches_again(central: Central) -> None:
    central.content = b"something else"
    with pytest.raises(JarsUnavailable):
        kafka_jars()
    central.content = CONTENT

    assert kafka_jars().exists()


def test_the_list_in_the_repository_has_kafka_and_its_clients_in_one_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()

    versions = {jar.artifact: jar.version for jar in pinned_jars() if jar.group == "org.apache.kafka"}

    assert set(versions.values()) == {versions["kafka_2.13"]}
    assert "kafka-clients" in versions
    assert f"kafka_2.13:{versions['kafka_2.13']}" in maven.KAFKA


def test_a_jar_reads_as_its_line_in_the_list() -> None:
    assert [str(jar) for jar in pinned_jars()] == jars.PINNED.read_text().splitlines()
