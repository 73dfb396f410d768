"""What every vault does: the contract of `vault.port`, kept by the one in Postgres and by its twin in memory."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from vault.port import Shredded, Vault
from vault.sealing import SealBroken

ADA, BOB = "cus_ada", "cus_bob"
CONTACT = {"email": "ada@example.com"}
PAST = datetime.now(UTC) - timedelta(seconds=1)
FUTURE = datetime.now(UTC) + timedelta(days=1)


async def test_what_was_sealed_and_put_opens_again(vault: Vault) -> None:
    await vault.put(await vault.seal(ADA, "contact", "pay_1", {"email": "ada@example.com", "name": "Ada Łovelace 🧮"}))

    assert await vault.open(ADA, "contact", "pay_1") == {"email": "ada@example.com", "name": "Ada Łovelace 🧮"}


async def test_sealing_alone_writes_no_record(vault: Vault) -> None:
    await vault.seal(ADA, "contact", "pay_1", CONTACT)

    assert await vault.open(ADA, "contact", "pay_1") is None


async def test_sealed_bytes_show_nothing_of_the_content(vault: Vault) -> None:
    record = await vault.seal(ADA, "contact", "pay_1", CONTACT)

    assert b"ada@example.com" not in record.sealed
    assert (await vault.seal(ADA, "contact", "pay_1", CONTACT)).sealed != record.sealed


async def test_a_record_is_found_under_its_whole_name_only(vault: Vault) -> None:
    await vault.put(await vault.seal(ADA, "contact", "pay_1", CONTACT))
    await vault.put(await vault.seal(BOB, "contact", "pay_2", CONTACT))

    assert await vault.open(BOB, "contact", "pay_1") is None
    assert await vault.open(ADA, "request", "pay_1") is None
    assert await vault.open(ADA, "contact", "pay_2") is None


async def test_putting_a_record_again_replaces_it(vault: Vault) -> None:
    await vault.put(await vault.seal(ADA, "contact", "pay_1", CONTACT, PAST))
    await vault.put(await vault.seal(ADA, "contact", "pay_1", {"email": "ada@example.org"}))

    assert await vault.open(ADA, "contact", "pay_1") == {"email": "ada@example.org"}


async def test_an_expired_record_is_as_good_as_none(vault: Vault) -> None:
    await vault.put(await vault.seal(ADA, "answer", "expired", CONTACT, PAST))
    await vault.put(await vault.seal(ADA, "answer", "valid", CONTACT, FUTURE))

    assert await vault.open(ADA, "answer", "expired") is None
    assert await vault.open_many("answer", ["expired", "valid"], [ADA]) == {"valid": CONTACT}


async def test_only_expired_records_are_forgotten_and_no_more_than_asked_for(vault: Vault) -> None:
    for number in range(3):
        await vault.put(await vault.seal(ADA, "answer", f"expired {number}", CONTACT, PAST))
    await vault.put(await vault.seal(ADA, "answer", "valid", CONTACT, FUTURE))
    await vault.put(await vault.seal(ADA, "contact", "pay_1", CONTACT))

    assert [await vault.forget_expired(2), await vault.forget_expired(2), await vault.forget_expired(2)] == [2, 1, 0]
    assert await vault.open(ADA, "answer", "valid") == CONTACT
    assert await vault.open(ADA, "contact", "pay_1") == CONTACT


async def test_many_records_of_many_owners_open_at_once_by_their_ids(vault: Vault) -> None:
    for owner, id in ((ADA, "req_1"), (BOB, "req_2"), (BOB, "req_3")):
        await vault.put(await vault.seal(owner, "request", id, {"ip": f"address of {id}"}))

    opened = await vault.open_many("request", ["req_1", "req_2", "req_unknown"], [ADA, BOB, "cus_unknown"])

    assert opened == {"req_1": {"ip": "address of req_1"}, "req_2": {"ip": "address of req_2"}}
    assert await vault.open_many("request", [], []) == {}


async def test_sealed_bytes_open_wherever_they_were_kept(vault: Vault) -> None:
    record = await vault.seal(ADA, "webhook", "1", {"body": "{}"})

    assert await vault.open_bytes(record) == {"body": "{}"}


async def test_sealed_bytes_do_not_open_as_another_record(vault: Vault) -> None:
    record = await vault.seal(ADA, "contact", "pay_1", CONTACT)
    await vault.seal(BOB, "contact", "pay_1", CONTACT)

    for moved in (replace(record, kind="request"), replace(record, id="pay_2"), replace(record, owner=BOB)):
        with pytest.raises(SealBroken):
            await vault.open_bytes(moved)


async def test_a_broken_seal_is_never_taken_for_a_missing_record(vault: Vault) -> None:
    record = await vault.seal(ADA, "contact", "pay_1", CONTACT)
    await vault.put(replace(record, sealed=record.sealed[:-1] + bytes([record.sealed[-1] ^ 1])))

    with pytest.raises(SealBroken):
        await vault.open(ADA, "contact", "pay_1")


async def test_after_shredding_nothing_of_that_owner_opens_and_all_of_others_does(vault: Vault) -> None:
    record = await vault.seal(ADA, "contact", "pay_1", CONTACT)
    await vault.put(record)
    await vault.put(await vault.seal(BOB, "contact", "pay_2", CONTACT))

    await vault.shred(ADA)

    assert await vault.open(ADA, "contact", "pay_1") is None
    assert await vault.open_many("contact", ["pay_1", "pay_2"], [ADA, BOB]) == {"pay_2": CONTACT}
    with pytest.raises(Shredded):
        await vault.open_bytes(record)


async def test_an_owner_whose_key_was_shredded_gets_no_second_one(vault: Vault) -> None:
    await vault.shred(ADA)  # Nothing was ever sealed for them: that is no reason to refuse.
    await vault.shred(ADA)

    with pytest.raises(Shredded):
        await vault.seal(ADA, "contact", "pay_1", CONTACT)


async def test_bytes_of_an_owner_without_a_key_count_as_shredded(vault: Vault) -> None:
    record = await vault.seal(ADA, "contact", "pay_1", CONTACT)

    with pytest.raises(Shredded):
        await vault.open_bytes(replace(record, owner="cus_never_seen"))
