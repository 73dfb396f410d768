"""Signed checkpoints: a reader of one topic proves what it read with the public key alone."""

import hashlib
import json
from base64 import urlsafe_b64decode
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from eventlog import checkpoints
from eventlog.checkpoints import Checkpoint, CheckpointInvalid, KeysUnreadable, Tally
from eventlog.log import Source
from eventlog.signatures import SigningKey
from eventlog.topics import partition_of
from schemas.envelope import Recorded
from tests.published import PARTITIONS, lives_of_payments

FACTS = lives_of_payments(40).facts
KEY = SigningKey(bytes(range(32)))
KEYS = {KEY.public.id: KEY.public}
VECTORS = json.loads(Path(checkpoints.__file__).with_name("checkpoint_vectors.json").read_text("utf-8"))


def source_of(fact: Recorded) -> Source:
    return Source(fact.topic, partition_of(fact.stream.encode(), PARTITIONS))


def tallies_of(facts: Iterable[Recorded]) -> Mapping[Source, Tally]:
    tallies: dict[Source, Tally] = {}
    for fact in facts:
        tallies[source_of(fact)] = tallies.get(source_of(fact), Tally()).after(fact.position, fact.hash)
    return tallies


MADE = Checkpoint("t.", FACTS[-1].position, FACTS[-1].hash, datetime(2026, 3, 1, 12, tzinfo=UTC), tallies_of(FACTS))


def test_what_was_signed_is_read_with_the_public_key() -> None:
    assert checkpoints.read(checkpoints.signed(MADE, KEY), KEYS) == MADE


@pytest.mark.parametrize("what", ["head", "payload", "signature"])
def test_not_a_letter_of_it_can_be_changed(what: str) -> None:
    parts = dict(zip(("head", "payload", "signature"), checkpoints.signed(MADE, KEY).split("."), strict=True))
    middle = len(parts[what]) // 2
    parts[what] = parts[what][:middle] + ("A" if parts[what][middle] != "A" else "B") + parts[what][middle + 1 :]

    with pytest.raises(CheckpointInvalid, match="A checkpoint cannot be trusted: "):
        checkpoints.read(".".join(parts.values()), KEYS)


@pytest.mark.parametrize(
    "payload", [b"", b"[]", b"{}", b'{"prefix": "t.", "position": 1, "hash": "x", "time": "", "topics": {}}']
)
def test_a_signed_text_that_is_no_checkpoint_is_refused(payload: bytes) -> None:
    with pytest.raises(CheckpointInvalid, match="its signed text is no checkpoint"):
        checkpoints.read(KEY.sign(payload), KEYS)


def test_a_file_that_holds_no_keys_is_told(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text("<html>")

    with pytest.raises(KeysUnreadable, match=r"keys\.json does not hold the public keys as the API serves them"):
        checkpoints.keys_in(tmp_path / "keys.json")


# A reader that knows `docs/proof.md`, an Ed25519 and SHA-256, and nothing of ours.


def proves(jws: str, public_key: bytes, topic: str, partition: int, hashes: list[bytes], last_position: int) -> bool:
    head, payload, signature = jws.split(".")
    Ed25519PublicKey.from_public_bytes(public_key).verify(decoded(signature), f"{head}.{payload}".encode())
    stated: dict[str, Any] = json.loads(decoded(payload))["topics"][topic][str(partition)]
    running = bytes(32)
    for each in hashes:
        running = hashlib.sha256(running + each).digest()
    return stated == {"count": len(hashes), "position": last_position, "hash": running.hex()}


def decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_a_reader_of_one_partition_proves_its_reading() -> None:
    jws, public = checkpoints.signed(MADE, KEY), KEY.public.raw
    for source in MADE.tallies:
        mine = [fact for fact in FACTS if source_of(fact) == source]
        hashes, last = [fact.hash for fact in mine], mine[-1].position

        assert proves(jws, public, *source, hashes, last)
        assert not proves(jws, public, *source, hashes[:-1], last)
        assert not proves(jws, public, *source, [*hashes[:3], bytes(32), *hashes[4:]], last)
        assert not proves(jws, public, *source, [hashes[1], hashes[0], *hashes[2:]], last)


def test_the_vectors_are_what_their_description_says_and_what_we_compute() -> None:
    public_key = decoded(VECTORS["jwk"]["x"])
    hashes = [bytes.fromhex(step["ce_hash"]) for step in VECTORS["running"]]
    tally = Tally()
    for position, step, hash in zip((1, 3), VECTORS["running"], hashes, strict=True):
        tally = tally.after(position, hash)
        assert tally.hash.hex() == step["running_hash"]

    assert decoded(VECTORS["jws"].split(".")[1]).decode() == VECTORS["payload"]
    assert proves(VECTORS["jws"], public_key, "payments", 4, hashes, 3)
    secret = decoded("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")  # RFC 8037, appendix A.
    made = checkpoints.read_own(VECTORS["jws"])
    assert checkpoints.signed(made, SigningKey(secret)) == VECTORS["jws"]
