"""The embedded PostgreSQL, started for real."""

import os
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest

from sandbox.addresses import free_port
from sandbox.errors import PartFailed
from sandbox.postgres import Postgres, answers
from sandbox.supervisor import Supervisor


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cluster for the module: every test finds it as the one before has left it."""
    return tmp_path_factory.mktemp("postgres")


@pytest.fixture
def server(folder: Path) -> Postgres:
    return Postgres(folder, free_port())


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Supervisor]:
    with Supervisor(tmp_path / "logs") as parts:
        yield parts


def value(url: str, query: LiteralString) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query).fetchone()
        assert row is not None
        return row[0]


def exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_it_is_postgresql_18_and_flushes_to_disk(server: Postgres, parts: Supervisor) -> None:
    parts.start(server.part())

    assert str(value(server.url, "SHOW server_version")).startswith("18.")
    assert value(server.url, "SHOW fsync") == "on"
    assert value(server.url, "SHOW synchronous_commit") == "on"


def test_a_test_server_keeps_commits_over_its_own_death_only(folder: Path, parts: Supervisor) -> None:
    server = Postgres(folder, free_port(), flush_to_disk=False)
    parts.start(server.part())

    assert value(server.url, "SHOW fsync") == "off"
    assert value(server.url, "SHOW synchronous_commit") == "on"


def test_it_listens_on_loopback_only_and_wants_the_password(server: Postgres, parts: Supervisor) -> None:
    parts.start(server.part())

    assert value(server.url, "SHOW listen_addresses") == "127.0.0.1"
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(server.url, password="guessed")


def test_text_sorts_alike_on_every_machine(server: Postgres, parts: Supervisor) -> None:
    parts.start(server.part())

    assert value(server.url, "SHOW server_encoding") == "UTF8"
    assert value(server.url, "SELECT string_agg(x, '' ORDER BY x) FROM unnest('{b,B,ä,a}'::text[]) x") == "Babä"


def test_data_lasts_over_stops_and_kills_also_on_another_port(folder: Path, parts: Supervisor) -> None:
    first = Postgres(folder, free_port())
    parts.start(first.part())
    with psycopg.connect(first.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")

    parts.kill("postgres")
    parts.start_again("postgres")
    assert value(first.url, "SELECT answer FROM kept") == 42

    parts.stop("postgres")
    second = Postgres(folder, free_port())
    parts.start(second.part())
    assert second.url != first.url
    assert value(second.url, "SELECT answer FROM kept") == 42


def test_it_starts_after_a_kill_even_while_sessions_were_busy(server: Postgres, parts: Supervisor) -> None:
    parts.start(server.part())
    with closing(psycopg.connect(server.url)) as busy:
        busy.execute("SELECT 1")
        parts.kill("postgres")
        parts.start_again("postgres")

    assert answers(server.url)


def test_a_left_process_id_that_is_somebody_elses_now_does_not_hinder_it(
    folder: Path, server: Postgres, parts: Supervisor
) -> None:
    stranger = os.getpid()
    left = f"{stranger}\n{folder / 'cluster'}\n{int(time.time())}\n{free_port()}\n\n127.0.0.1\n"
    (folder / "cluster" / "postmaster.pid").write_text(left)

    parts.start(server.part())

    assert answers(server.url)


def test_a_second_server_on_the_same_data_is_refused_with_its_reason(
    folder: Path, server: Postgres, parts: Supervisor, tmp_path: Path
) -> None:
    parts.start(server.part())

    with Supervisor(tmp_path / "other-logs") as others, pytest.raises(PartFailed, match=r"lock file .* already exists"):
        others.start(Postgres(folder, free_port()).part())

    assert answers(server.url)


def test_it_stops_gently_though_sessions_are_open(server: Postgres, parts: Supervisor, tmp_path: Path) -> None:
    parts.start(server.part())
    with psycopg.connect(server.url):
        parts.stop("postgres")

    assert "database system is shut down" in (tmp_path / "logs" / "postgres.log").read_text()
    assert not answers(server.url)


def test_killing_takes_every_process_of_the_server(server: Postgres, parts: Supervisor) -> None:
    parts.start(server.part())
    with closing(psycopg.connect(server.url)) as connection:
        backend = connection.info.backend_pid
        parts.kill("postgres")

    deadline = time.monotonic() + 5  # It has ended, but the system's first process may yet have to take note.
    while time.monotonic() < deadline and exists(backend):
        time.sleep(0.02)
    assert not exists(backend)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has something to give up")
def test_it_does_not_run_as_root(server: Postgres, parts: Supervisor) -> None:
    parts.start(server.part())

    assert Path(f"/proc/{parts.pid('postgres')}").stat().st_uid != 0
