"""The whole platform: the order of its start, and what it makes of servers that are given.

Small modules of the service's names stand in for the service: `python -m api` finds them first, in the folder where
it is started.
"""

import socket
import textwrap
from collections.abc import Mapping
from pathlib import Path

import pytest
from dotenv import dotenv_values

from sandbox import platform as platform_module
from sandbox.addresses import LOOPBACK
from sandbox.environment import PUBLISHED, AlreadyRunning, Folders, Secrets
from sandbox.errors import PartFailed, SandboxError
from sandbox.platform import Platform, PortInUse
from tests.projecting import wait_until

NOTES_ITS_START = """
    import os, sys
    with open("starts", "a") as starts:
        print(" ".join([os.path.basename(__file__), *sys.argv[1:]]), file=starts)
"""
WAITS = """
    import time
    time.sleep(60)
"""
ANSWERS_READY = """
    import http.server, os, threading

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/health/ready" else 404)
            self.end_headers()

    http.server.HTTPServer((os.environ["TILLSTREAM_HOST"], int(os.environ["TILLSTREAM_PORT"])), Answer).serve_forever()
"""


@pytest.fixture
def stripe(tmp_path: Path) -> Mapping[str, str]:
    """The variables that name a Stripe which nobody calls here."""
    return {
        "STRIPE_API_BASE": f"http://{LOOPBACK}:9",
        "STRIPE_SECRET_KEY": "sk_test_given",
        "STRIPE_WEBHOOK_SECRET": "whsec_given",
    }


@pytest.fixture
def given(stripe: Mapping[str, str], postgres_url: str, kafka_bootstrap: str) -> Mapping[str, str]:
    """The variables that name every server."""
    return {**stripe, "DATABASE_URL": postgres_url, "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap}


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the service's modules, where processes now start."""
    folder = tmp_path / "service"
    folder.mkdir()
    programs = {"migrations": "", "api": ANSWERS_READY, "commands": WAITS, "consumers": WAITS}
    for module, program in programs.items():
        (folder / f"{module}.py").write_text(textwrap.dedent(NOTES_ITS_START) + textwrap.dedent(program))
    monkeypatch.chdir(folder)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    return folder


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "run", tmp_path / "data")


def test_migrations_come_before_the_service(service: Path, folders: Folders, given: Mapping[str, str]) -> None:
    noted = service / "starts"
    with Platform(folders, given=given):  # Is up once the API answers; the others may not have noted their start yet.
        wait_until(lambda: len(noted.read_text().splitlines()) == 6)

    starts = noted.read_text().splitlines()
    assert starts[0] == "migrations.py up"
    assert sorted(starts[1:]) == [
        "api.py",
        "commands.py publisher",
        "consumers.py projector",
        "consumers.py reactions",
        "consumers.py reconciler",
    ]


def test_the_variables_are_published_while_it_runs(service: Path, folders: Folders, given: Mapping[str, str]) -> None:
    with Platform(folders, given=given) as platform:
        found = dotenv_values(folders.env)
        assert list(found) == list(PUBLISHED)
        assert found["TILLSTREAM_URL"] == platform.url
        assert found["SCHEMA_REGISTRY_URL"] == f"{platform.url}/registry"
        assert found["DATABASE_URL"] == given["DATABASE_URL"]
        assert found["TILLSTREAM_OPERATOR_TOKEN"] == Secrets.kept_in(folders.data).operator_token

    assert not folders.env.exists()


def test_a_second_one_says_that_one_is_running_and_where(
    service: Path, folders: Folders, given: Mapping[str, str]
) -> None:
    with Platform(folders, given=given) as platform, pytest.raises(AlreadyRunning, match=platform.url):
        Platform(folders, given=given).__enter__()


def test_a_failing_migration_is_told_and_nothing_stays(
    service: Path, folders: Folders, given: Mapping[str, str]
) -> None:
    (service / "migrations.py").write_text("raise SystemExit('column is missing')")

    with pytest.raises(PartFailed, match=r"(?s)migrations failed.*column is missing"):
        Platform(folders, given=given).__enter__()

    assert not (service / "starts").exists()
    assert not folders.env.exists()


def test_an_api_that_does_not_come_up_is_told_with_its_last_lines(
    service: Path, folders: Folders, given: Mapping[str, str]
) -> None:
    (service / "api.py").write_text("raise SystemExit('TILLSTREAM_MASTER_KEY is not base64')")

    with pytest.raises(PartFailed, match=r"(?s)api did not come up.*is not base64"):
        Platform(folders, given=given).__enter__()


def test_a_port_in_use_is_told_with_the_option_that_chooses_another(
    folders: Folders, stripe: Mapping[str, str]
) -> None:
    with socket.socket() as other:
        other.bind((LOOPBACK, 0))
        other.listen()

        with pytest.raises(PortInUse, match=rf"Port {other.getsockname()[1]} is in use.*--port"):
            Platform(folders, port=other.getsockname()[1], given=stripe).__enter__()


@pytest.mark.parametrize("variable", ["DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS"])
def test_a_given_server_that_does_not_answer_is_named(
    variable: str, folders: Folders, given: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform_module, "_GIVEN_ANSWERS_WITHIN_SECONDS", 0.2)
    nowhere = {"DATABASE_URL": f"postgresql://{LOOPBACK}:9/nowhere", "KAFKA_BOOTSTRAP_SERVERS": f"{LOOPBACK}:9"}

    with pytest.raises(SandboxError, match=f"{variable} is set in the environment, and nothing usable answers there"):
        Platform(folders, given={**given, variable: nowhere[variable]}).__enter__()


@pytest.mark.parametrize("named_by", ["STRIPE_API_BASE", "STRIPE_SECRET_KEY"])
def test_a_given_stripe_needs_the_secret_that_it_signs_with(
    named_by: str, folders: Folders, stripe: Mapping[str, str]
) -> None:
    with pytest.raises(SandboxError, match="STRIPE_WEBHOOK_SECRET must be set too"):
        Platform(folders, given={named_by: stripe[named_by]}).__enter__()


def test_a_key_alone_means_stripe_itself(service: Path, folders: Folders, given: Mapping[str, str]) -> None:
    without_base = {name: value for name, value in given.items() if name != "STRIPE_API_BASE"}

    with Platform(folders, given=without_base) as platform:
        assert platform.environment["STRIPE_API_BASE"] == "https://api.stripe.com"
        assert not platform.runs("stripe")


def test_servers_that_are_not_given_are_started_and_survive_their_death_on_purpose(
    service: Path, folders: Folders, stripe: Mapping[str, str]
) -> None:
    with Platform(folders, given=stripe) as platform:
        assert platform.runs("postgres")
        assert platform.runs("kafka")
        assert not platform.runs("stripe")
        for server in ("postgres", "kafka"):
            before = platform.parts.pid(server)
            platform.parts.kill(server)
            platform.parts.start_again(server)
            assert platform.parts.pid(server) != before
        assert platform.parts.failure is None


def test_the_environment_of_the_platforms_own_process_is_the_default(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIPE_SECRET_KEY", "sk_live_given")
    monkeypatch.delenv("STRIPE_WEBHOOK_SECRET", raising=False)

    with pytest.raises(SandboxError, match="STRIPE_WEBHOOK_SECRET"):
        Platform(folders).__enter__()
