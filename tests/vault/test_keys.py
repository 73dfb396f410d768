"""The master key as it is read from the environment, and what it wraps."""

import os
from base64 import b64encode
from dataclasses import dataclass
from typing import Annotated

import pytest
from pydantic import BeforeValidator, Field

from runtime.settings import SettingsInvalid, read
from vault.keys import WRAPPED_BYTES, LocalKeyWrapper, MasterKey, MasterKeyInvalid, MasterKeyUnknown
from vault.sealing import SealBroken

SECRET = bytes(range(32))
DATA_KEY = os.urandom(32)


@dataclass(frozen=True)
class Settings:
    master_key: Annotated[MasterKey, BeforeValidator(MasterKey.parse), Field(alias="TILLSTREAM_MASTER_KEY")]


def test_a_master_key_is_32_bytes_in_base64() -> None:
    assert MasterKey.parse(b64encode(SECRET).decode() + "\n") == MasterKey(SECRET)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "no master key"),
        ("  ", "no master key"),
        ("not base64!", "not base64"),
        ("ключ", "not base64"),
        (b64encode(SECRET[:31]).decode(), "31 bytes instead of 32"),
        (b64encode(SECRET + b"!").decode(), "33 bytes instead of 32"),
    ],
)
def test_any_other_master_key_is_refused_with_a_sentence_that_says_how_to_make_one(text: str | None, says: str) -> None:
    with pytest.raises(MasterKeyInvalid, match=says) as caught:
        MasterKey.parse(text)
    assert "openssl rand -base64 32" in str(caught.value)


def test_a_process_reads_it_from_its_environment() -> None:
    settings = read(Settings, {"TILLSTREAM_MASTER_KEY": b64encode(SECRET).decode()})

    assert settings.master_key == MasterKey(SECRET)


@pytest.mark.parametrize("environ", [{}, {"TILLSTREAM_MASTER_KEY": ""}, {"TILLSTREAM_MASTER_KEY": "c2hvcnQgc2VjcmV0"}])
def test_a_process_without_a_good_one_does_not_start_and_does_not_show_it(environ: dict[str, str]) -> None:
    with pytest.raises(SettingsInvalid, match="TILLSTREAM_MASTER_KEY") as caught:
        read(Settings, environ)
    assert "c2hvcnQ" not in str(caught.value)


def test_a_master_key_shows_itself_nowhere() -> None:
    assert str(SECRET) not in repr(MasterKey(SECRET))
    assert MasterKey(SECRET).id not in SECRET


async def test_what_was_wrapped_unwraps_for_its_owner() -> None:
    wrapper = LocalKeyWrapper(MasterKey(SECRET))

    wrapped = await wrapper.wrap("cus_ada", DATA_KEY)

    assert len(wrapped) == WRAPPED_BYTES
    assert DATA_KEY not in wrapped
    assert await wrapper.unwrap("cus_ada", wrapped) == DATA_KEY


async def test_what_was_wrapped_for_one_owner_unwraps_for_no_other() -> None:
    wrapper = LocalKeyWrapper(MasterKey(SECRET))

    with pytest.raises(SealBroken):
        await wrapper.unwrap("cus_bob", await wrapper.wrap("cus_ada", DATA_KEY))


@pytest.mark.parametrize("place", range(WRAPPED_BYTES))
async def test_no_byte_of_what_was_wrapped_can_be_changed(place: int) -> None:
    wrapper = LocalKeyWrapper(MasterKey(SECRET))
    wrapped = bytearray(await wrapper.wrap("cus_ada", DATA_KEY))
    wrapped[place] ^= 1

    with pytest.raises((SealBroken, MasterKeyUnknown)):
        await wrapper.unwrap("cus_ada", bytes(wrapped))


@pytest.mark.parametrize("wrapped", [b"", b"\x01", b"\x02" + bytes(WRAPPED_BYTES - 1), bytes(WRAPPED_BYTES + 1)])
async def test_bytes_of_another_format_do_not_unwrap(wrapped: bytes) -> None:
    with pytest.raises(SealBroken, match="format"):
        await LocalKeyWrapper(MasterKey(SECRET)).unwrap("cus_ada", wrapped)
