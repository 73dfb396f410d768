"""Parked keys as operators meet them: a projector that goes on, what it says of it, and the commands that end it."""

import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import pytest

from sandbox.addresses import free_port
from tests.projecting import ask, environment, projector, wait_until
from tests.published import lives_of_payments, make_topics, send

LIVES = lives_of_payments(1_000)
POISON = next(fact for fact in LIVES.facts[1_000:] if fact.topic == "payments" and fact.version == 2)
BEHIND_IT = [fact for fact in LIVES.facts if fact.stream == POISON.stream and fact.version >= 2]
POISONED = ("tests.consumers.poisoned_projector",)
MOST_DEATHS = 7


@pytest.fixture
def env(database_url: str, kafka_bootstrap: str, topic_prefix: str) -> Mapping[str, str]:
    """Where everything is published, and one fact is poison for the audit trail."""
    make_topics(kafka_bootstrap, topic_prefix)
    send(kafka_bootstrap, topic_prefix, LIVES.facts)
    return {**environment(database_url, kafka_bootstrap, topic_prefix), "POISON": str(POISON.event_id)}


def parked(env: Mapping[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    """`python -m consumers parked …`."""
    command = [sys.executable, "-m", "consumers", "parked", *arguments]
    return subprocess.run(
        command, env={**env, "COLUMNS": "200"}, capture_output=True, text=True, timeout=60, check=False
    )


def is_the_rest_shown(env: Mapping[str, str]) -> bool:
    """Whether everything else is in the trail: what came before the poison, and all that is of other streams."""
    others = {fact.position for fact in LIVES.facts} - {fact.position for fact in BEHIND_IT}
    return shown(env) == others


def shown(env: Mapping[str, str]) -> set[int]:
    return {position for (position,) in ask(env["DATABASE_URL"], "SELECT position FROM audit_1.facts")}


def test_an_operator_sees_what_is_parked_mends_it_and_everything_is_as_without_poison(
    env: Mapping[str, str], tmp_path: Path
) -> None:
    port = free_port()
    with projector({**env, "TILLSTREAM_METRICS_PORT": str(port)}, tmp_path / "log", POISONED) as process:
        wait_until(lambda: is_the_rest_shown(env))
        process.wait_until_it_says("knows no such thing")
        wait_until(lambda: metric(port, "keys") == 1 and metric(port, "seconds") > 0)

        listed = parked(env, "list")
        assert listed.returncode == 0
        assert POISON.stream in listed.stdout
        assert f"{POISON.position}" in listed.stdout

        refused = parked(env, "skip", "audit", POISON.stream, "--reason", "  ")
        assert (refused.returncode, "Say why" in refused.stderr) == (2, True)
        retried = parked(env, "retry", "audit", POISON.stream, "--by", "ada", "--reason", "mended")
        assert (retried.returncode, retried.stderr) == (0, "")
        assert f"{len(BEHIND_IT)} facts were applied" in retried.stdout
        wait_until(lambda: metric(port, "keys") == metric(port, "seconds") == 0)

    trail = ask(env["DATABASE_URL"], "SELECT position, hash FROM audit_1.facts ORDER BY position")
    assert trail == [(fact.position, fact.hash) for fact in LIVES.facts]
    listed = parked(env, "list")
    assert "Nothing is parked" in listed.stdout
    assert f"ada: retry of audit {POISON.stream} at position {POISON.position}" in listed.stdout


def metric(port: int, unit: str) -> float:
    """The audit trail's gauge as Prometheus is told it; below 0 where there is none yet."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    wanted = f'tillstream_read_model_parked_{unit}{{read_model="audit"}} '
    return float(next((line.removeprefix(wanted) for line in lines if line.startswith(wanted)), -1))


def test_a_fact_that_kills_the_projector_is_parked_after_some_restarts(env: Mapping[str, str], tmp_path: Path) -> None:
    outlive({**env, "POISON_KILLS": "yes"}, tmp_path)
    assert "The process that applied it died" in parked(env, "list").stdout

    skipped = parked(env, "skip", "audit", POISON.stream, "--reason", "it kills")

    assert skipped.returncode == 0, skipped.stderr
    assert shown(env) == {fact.position for fact in LIVES.facts} - {POISON.position}


def outlive(env: Mapping[str, str], logs: Path) -> None:
    """Start a projector after each one's death, as a supervisor does, until one lives to show everything."""
    for number in range(MOST_DEATHS + 1):
        with projector(env, logs / f"log{number}", POISONED) as process:
            wait_until(lambda: process.has_ended() or is_the_rest_shown(env))
            if not process.has_ended():
                return
    raise AssertionError(f"more than {MOST_DEATHS} died")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("retry", "audit", "pay_1"), "Nothing of audit is parked under pay_1"),
        (("skip", "audit", "pay_1", "--reason", "x"), "Nothing of audit is parked under pay_1"),
        (("retry", "moon", "pay_1"), "There is no read model 'moon'"),
    ],
)
def test_what_is_not_parked_is_refused_with_a_sentence(
    database_url: str, arguments: tuple[str, ...], sentence: str
) -> None:
    done = parked({"PATH": "", "DATABASE_URL": database_url}, *arguments)

    assert done.returncode == 1
    assert sentence in done.stderr


@pytest.mark.parametrize("arguments", [("retry", "audit"), ("retry", "audit", "pay_1", "--all"), ("skip", "audit")])
def test_what_cannot_be_meant_is_refused(arguments: tuple[str, ...]) -> None:
    assert parked({"PATH": ""}, *arguments).returncode == 2
