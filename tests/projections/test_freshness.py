"""Read your writes: the token and the wait."""

import asyncio
import time
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.freshness import (
    ConsistencyTokenMalformed,
    ReadModelBehind,
    ReadModelParked,
    Versions,
    format_token,
    parse_token,
    wait_until_shown,
)

STREAMS = st.from_regex(r"(pay|wal|prj)_[0-9a-f]{1,32}", fullmatch=True)


@given(st.dictionaries(STREAMS, st.integers(1, 10**8), min_size=1, max_size=64))
def test_a_token_comes_back_as_it_was_made(versions: dict[str, int]) -> None:
    assert parse_token(format_token(versions)) == versions


def test_a_stream_named_twice_must_show_the_higher_version() -> None:
    assert parse_token("pay_1@3, pay_1@2") == {"pay_1": 3}


@pytest.mark.parametrize(
    "token",
    [
        *("", ",", "pay_1", "pay_1@", "pay_1@0", "pay_1@-1", "pay_1@x", "pay_1@1,", "pay_1@99999999999", "@1", "é@1"),
        *("pay 1@1", "pay_" + "a" * 200 + "@1", ",".join(f"pay_{number}@1" for number in range(65))),
    ],
)
def test_a_malformed_token_is_refused_with_a_sentence(token: str) -> None:
    with pytest.raises(ConsistencyTokenMalformed, match="leave it out"):
        parse_token(token)


def shows(*readings: Mapping[str, int]) -> Versions:
    """A read that shows these versions, one after the other; the last one for ever."""
    left = list(readings)

    async def versions(streams: Sequence[str]) -> Mapping[str, int]:
        reading = left.pop(0) if len(left) > 1 else left[0]
        return {stream: reading[stream] for stream in streams if stream in reading}

    return versions


async def test_a_read_does_not_wait_for_what_stands_still() -> None:
    with pytest.raises(ReadModelParked, match="pay_1 at version 3 before an operator"):
        await wait_until_shown({"pay_1": 3}, shows({"pay_1": 2}), ["pay_"], ["pay_1", "pay_2"])

    await wait_until_shown({"pay_1": 2}, shows({"pay_1": 2}), ["pay_"], ["pay_1", "pay_2"])


async def test_a_read_waits_until_its_rows_have_caught_up() -> None:
    shown = shows({}, {"pay_1": 1}, {"pay_1": 2}, {"pay_1": 3})

    await wait_until_shown({"pay_1": 3}, shown, ["pay_"])

    assert await shown(["pay_1"]) == {"pay_1": 3}


async def test_a_newer_version_will_do() -> None:
    await wait_until_shown({"pay_1": 3}, shows({"pay_1": 5}), ["pay_"])


async def test_streams_that_a_read_does_not_show_are_passed_over() -> None:
    async def never_asked(streams: Sequence[str]) -> Mapping[str, int]:
        raise AssertionError

    await wait_until_shown({"wal_1": 3}, never_asked, ["pay_"])


async def test_a_read_that_stays_behind_says_so_in_time() -> None:
    began = time.monotonic()

    with pytest.raises(ReadModelBehind) as refused:
        await wait_until_shown({"pay_1": 3}, shows({"pay_1": 2}), ["pay_"], timeout_seconds=0.2)

    assert 0.2 <= time.monotonic() - began < 1
    assert refused.value.retry_after_seconds == 1
    assert (refused.value.code, refused.value.type) == ("read_model_behind", "system_error")


async def test_many_can_wait_at_once() -> None:
    shown = shows(*[{}] * 20, {f"pay_{number}": 1 for number in range(50)})

    async with asyncio.timeout(2):
        await asyncio.gather(*(wait_until_shown({f"pay_{number}": 1}, shown, ["pay_"]) for number in range(50)))
