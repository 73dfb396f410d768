"""Read your writes: the token that a command's answer carries, and the wait until the rows that a read shows have caught up."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

from domain.errors import DomainError, ErrorType

Versions = Callable[[Sequence[str]], Awaitable[Mapping[str, int]]]

_ENTRY = re.compile(r"([a-z]{3}_[0-9A-Za-z_-]{1,64})@([1-9][0-9]{0,8})")
_MAX_STREAMS = 64
_WAIT_SECONDS = 2.0
_FIRST_PAUSE_SECONDS = 0.002
_LONGEST_PAUSE_SECONDS = 0.05


class ConsistencyTokenMalformed(DomainError):
    """A token that none of our answers can have carried."""

    type: ErrorType = "validation_error"
    code = "consistency_token_malformed"

    def __init__(self) -> None:
        super().__init__(
            "Send Consistency-Token as an answer gave it (`pay_…@3,wal_…@5`), or leave it out.",
            param="Consistency-Token",
        )


class ReadModelBehind(DomainError):
    """What the caller has written is recorded, but this read does not show it yet."""

    type: ErrorType = "system_error"
    code = "read_model_behind"
    retry_after_seconds = 1

    def __init__(self, stream: str, version: int) -> None:
        super().__init__(
            f"What you wrote is safe, but this read does not show {stream} at version {version} yet; ask again in a moment.",
            details={"stream": stream, "version": version},
        )


class ReadModelParked(DomainError):
    """What the caller has written is recorded, but this read stands still at an earlier fact that it could not take in."""

    type: ErrorType = "system_error"
    code = "read_model_parked"
    retry_after_seconds = 60

    def __init__(self, stream: str, version: int) -> None:
        super().__init__(
            f"What you wrote is safe, but this read cannot show {stream} at version {version} before an operator has seen"
            " to it; ask again later, or without Consistency-Token for what it shows.",
            details={"stream": stream, "version": version},
        )


def format_token(versions: Mapping[str, int]) -> str:
    """Streams with their versions as the header has them: `pay_…@3,wal_…@5`."""
    return ",".join(f"{stream}@{version}" for stream, version in sorted(versions.items()))


def parse_token(token: str) -> Mapping[str, int]:
    """Streams with the versions that a read must show, the highest where one is named twice. Raises where malformed."""
    wanted: dict[str, int] = {}
    for entry in token.split(","):
        match = _ENTRY.fullmatch(entry.strip())
        if match is None or len(wanted) >= _MAX_STREAMS:
            raise ConsistencyTokenMalformed
        stream, version = match[1], int(match[2])
        wanted[stream] = max(version, wanted.get(stream, 0))
    return wanted


async def wait_until_shown(
    wanted: Mapping[str, int],
    shown: Versions,
    prefixes: Collection[str],
    parked: Collection[str] = (),
    timeout_seconds: float = _WAIT_SECONDS,
) -> None:
    """Return once a read shows the wanted versions of those streams that it shows at all.

    `shown` gives the versions that it shows just now, by stream; `prefixes` say which streams it shows (`pay_`), `parked`
    which stand still. Raises `ReadModelBehind` if it does not get there in time, `ReadModelParked` if it will not.
    """
    missing: Mapping[str, int] = {
        stream: version for stream, version in wanted.items() if stream.startswith(tuple(prefixes))
    }
    deadline = time.monotonic() + timeout_seconds
    pause = _FIRST_PAUSE_SECONDS
    while missing := await _still_missing(missing, shown):
        for stream in missing.keys() & set(parked):
            raise ReadModelParked(stream, missing[stream])
        if time.monotonic() >= deadline:
            raise ReadModelBehind(*next(iter(missing.items())))
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)


async def _still_missing(wanted: Mapping[str, int], shown: Versions) -> Mapping[str, int]:
    if not wanted:
        return {}
    versions = await shown(list(wanted))
    return {stream: version for stream, version in wanted.items() if versions.get(stream, 0) < version}
