"""What must be true after any run: nothing lost, nothing doubled, no gap, one chain, Kafka as the store, rows as the log."""

import os
import subprocess
import time
from collections import Counter

import psycopg

from schemas import codec
from tests.crash import nursery
from tests.crash.errands import Errands, Fact
from tests.crash.ground import CrashPlatform
from tests.whole.reading import read_topics
from tests.whole.test_faults import check_log

_CAUGHT_UP_WITHIN_SECONDS = 120.0
_REPEATED = 20
_IDS = {  # The id by which its caller knows a fact of this type.
    "credits.granted": "entry_id",
    "credits.consumed": "entry_id",
    "credits.held": "hold_id",
    "credits.hold_captured": "hold_id",
    "credits.hold_released": "hold_id",
    "credits.purchased": "payment_id",
    "payment.initiated": "payment_id",
    "payment.succeeded": "payment_id",
}
_TOLD_BY_THE_GATEWAY = ("payment.succeeded", "credits.purchased")


class LostOrDoubled(AssertionError):
    """Answers and facts are not the same."""

    def __init__(self, lost: Counter[Fact], doubled: Counter[Fact]) -> None:
        super().__init__(f"lost: {sorted(lost.elements())}; doubled, or never answered: {sorted(doubled.elements())}")
        self.lost = lost.total()
        self.doubled = doubled.total()


def check(platform: CrashPlatform, database_url: str, errands: Errands) -> None:
    """Raises AssertionError with what is wrong. The database is asked directly, not by the relay."""
    errands.repeat(_REPEATED)
    _check_facts(database_url, errands)
    _wait_until_published(database_url)
    replay = _tool(platform, "projections", "replay", "--all", "--source", "store")
    verify = _tool(platform, "commands", "verify")
    with replay, verify:
        with read_topics(platform.ground.bootstrap_servers, platform.environment["KAFKA_TOPIC_PREFIX"]) as records:
            check_log(records(), database_url)
        assert "Whole in the store and in Kafka" in _output(verify)
        assert "Every row is equal" in _output(replay)


def _check_facts(database_url: str, errands: Errands) -> None:
    """Each answer has its one fact, and there is no fact besides. What the gateway tells comes a little later."""
    deadline = time.monotonic() + _CAUGHT_UP_WITHIN_SECONDS
    while True:
        recorded = _recorded(database_url)
        lost, doubled = errands.expected - recorded, recorded - errands.expected
        if not lost and not doubled:
            return
        if (
            doubled
            or time.monotonic() > deadline
            or any(not type.startswith("payment.") and type != "credits.purchased" for type, _ in lost)
        ):
            raise LostOrDoubled(lost, doubled)
        time.sleep(0.2)


def _recorded(database_url: str) -> Counter[Fact]:
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "SELECT type, payload FROM store.events WHERE type = ANY(%s)", [list(_IDS)]
        ).fetchall()
    return Counter((type, getattr(codec.decode(payload).event, _IDS[type])) for type, payload in rows)


def _wait_until_published(database_url: str) -> None:
    deadline = time.monotonic() + _CAUGHT_UP_WITHIN_SECONDS
    with psycopg.connect(database_url, autocommit=True) as connection:
        while True:
            row = connection.execute(
                "SELECT (SELECT count(*) FROM store.outbox)"
                " + (SELECT coalesce(max(position), 0) FROM store.positions) - (SELECT published FROM store.publisher)"
            ).fetchone()
            if row == (0,):
                return
            assert time.monotonic() < deadline, f"facts that Kafka still lacks: {row}"
            time.sleep(0.05)


def _tool(platform: CrashPlatform, *module: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        nursery.command(platform.ground.nursery, *module),
        env={**os.environ, **platform.environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    )


def _output(tool: "subprocess.Popen[str]") -> str:
    output, _ = tool.communicate(timeout=_CAUGHT_UP_WITHIN_SECONDS)
    assert tool.returncode == 0, output
    return output
