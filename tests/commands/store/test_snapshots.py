"""Snapshots save folding a long stream from its first fact, and are never believed against the log."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commands.store import snapshots
from commands.store.postgres import PostgresStore
from commands.store.snapshots import Fold, decode, encode, of_code, put, state_type, this_code
from commands.store.states import Folded
from domain.customer import CUSTOMERS
from domain.payment import PAYMENTS
from domain.project import PROJECTS
from domain.streams import Kind
from domain.subscription import SUBSCRIPTIONS
from domain.usage import USAGE
from domain.wallet import WALLETS, Wallet
from runtime.postgres import Pool
from schemas import names
from tests.commands.store.log import rows
from tests.commands.store.rivals import another_store
from tests.commands.store.shopping import Wallets, context, pay_in, wallet
from tests.commands.store.test_cache import past_changed

OTHER_CODE = Fold(bytes(32))

KINDS: tuple[Kind[Any, Any], ...] = (CUSTOMERS, PAYMENTS, PROJECTS, SUBSCRIPTIONS, USAGE, WALLETS)

# As facts bring them: times in UTC, and mappings that are dictionaries.
st.register_type_strategy(datetime, st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
st.register_type_strategy(Mapping, lambda hinted: st.dictionaries(*map(st.from_type, get_args(hinted)), max_size=4))


def test_the_kinds_that_are_tried_here_are_all_there_are() -> None:
    assert {kind.topic for kind in KINDS} == set(names.TOPICS.values())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.topic)
@given(data=st.data(), version=st.integers(1, 2**31 - 1), last=st.uuids())
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_every_state_is_read_back_as_it_was(
    kind: Kind[Any, Any], data: st.DataObject, version: int, last: UUID
) -> None:
    folded = Folded(data.draw(st.from_type(state_type(kind))), version, last)

    back = decode(kind, version, encode(folded, this_code()), this_code())

    assert back == folded
    assert back is not None
    assert _orders(back.state) == _orders(folded.state)


def _orders(state: Any) -> list[list[str]]:
    """The order in which a state's mappings stand: what is remembered last is forgotten last."""
    values = (getattr(state, name) for name in state.__slots__)
    return [list(value) for value in values if isinstance(value, dict)]


def test_other_code_has_another_tag_and_does_not_read_it(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("fold = 1")
    before = of_code(tmp_path)
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "a.pyc").write_text("whatever")
    assert of_code(tmp_path) == before

    (tmp_path / "a.py").write_text("fold = 2")
    after = of_code(tmp_path)

    assert after != before
    stream, folded = wallet(), Folded(Wallet(wallet_id="wal_1", user_id="u", credit_type="api"), 1, uuid4())
    assert decode(stream.kind, 1, encode(folded, before), after) is None
    assert decode(stream.kind, 1, encode(folded, after)[:-1], after) is None


async def test_a_long_stream_is_kept_and_what_is_kept_is_not_folded_again(
    postgres: PostgresStore, connections: Pool, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "EVERY", 4)
    long, short = wallet(), wallet()
    for _ in range(5):
        await postgres.record(context(), [long], pay_in(long))
    await postgres.record(context(), [short], pay_in(short))
    await postgres.close()
    kept = await rows(connections, "SELECT stream, version, fold_version FROM store.snapshots")
    await past_changed(connections, f"UPDATE store.events SET payload = 'unreadable' WHERE version <= {kept[0][1]}")

    assert [(row[0], row[2]) for row in kept] == [(long.id, this_code().number)]
    assert kept[0][1] >= 4
    async with another_store(database_url) as other:
        state = await other.load(long)
        receipt = await other.record(context(), [long], pay_in(long))
    assert state is not None
    assert state.balance == 25
    assert (receipt.answer, receipt.versions) == ({"balances": {long.id: 30}}, {long.id: 6})


async def test_whoever_had_to_fold_a_long_stream_keeps_it_for_the_next(
    connections: Pool, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = wallet()
    async with another_store(database_url) as store:
        for _ in range(5):
            await store.record(context(), [stream], pay_in(stream))
    assert await rows(connections, "SELECT count(*) FROM store.snapshots WHERE stream = %s", stream.id) == [(0,)]
    monkeypatch.setattr(snapshots, "EVERY", 5)

    async with another_store(database_url) as reader:
        await reader.load(stream)

    assert await rows(connections, "SELECT version FROM store.snapshots WHERE stream = %s", stream.id) == [(5,)]


@pytest.mark.parametrize(
    ("version", "fold", "is_last", "is_dropped"),
    [
        (2, OTHER_CODE, True, False),
        (2, Fold(this_code().tag[:4] + bytes(28)), True, True),
        (2, this_code(), False, True),
        (9, this_code(), False, True),
    ],
    ids=["of other code", "of other code with the same number", "of another past", "of a future that was lost"],
)
async def test_a_snapshot_that_is_wrong_is_not_believed(
    version: int,
    fold: Fold,
    is_last: bool,
    is_dropped: bool,
    postgres: PostgresStore,
    connections: Pool,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = wallet()
    for _ in range(3):
        await postgres.record(context(), [stream], pay_in(stream))
    [(last,)] = await rows(
        connections, "SELECT event_id FROM store.events WHERE stream = %s AND version = 2", stream.id
    )
    await plant(connections, stream, Folded(rich(stream), version, last if is_last else uuid4()), fold, monkeypatch)

    async with another_store(database_url) as other:
        state = await other.load(stream)
        receipt = await other.record(context(), [stream], pay_in(stream))

    assert state is not None
    assert state.balance == 15
    assert receipt.answer == {"balances": {stream.id: 20}}
    left = await rows(connections, "SELECT count(*) FROM store.snapshots WHERE stream = %s", stream.id)
    assert left == [(0 if is_dropped else 1,)]


def rich(stream: Wallets) -> Wallet:
    return Wallet(wallet_id=stream.id, user_id="u", credit_type="api", balance=1_000_000)


async def plant(
    connections: Pool, stream: Wallets, folded: Folded, fold: Fold, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(snapshots, "this_code", lambda: fold)
        async with connections.connection() as connection:
            await put(connection, {stream.id: folded})
