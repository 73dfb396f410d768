"""What the owner of the users says, and what follows from it for wallets, subscriptions and personal data."""

from dataclasses import replace
from typing import Any

import pytest

from commands.credits import Account, ConsumeCredits, GrantCredits, consume_credits, grant_credits
from commands.customers import UserEvent, Word, hear_of_user
from commands.ports import Context
from commands.store.memory import MemoryStore
from domain.customer import customer_id
from domain.wallet import CreditsFrozen
from domain.wallet.errors import WalletFrozen
from gateways.errors import GatewayUnavailable
from gateways.stripe.client import StripeGateway
from tests.commands.payments import context
from tests.commands.subscriptions import subscribe
from tests.sandbox.stripe.lookalike import LookAlike
from vault.memory import MemoryVault
from vault.port import Shredded

CUSTOMER = customer_id("prj_shop", "user-1")


def said(word: Word, **changes: Any) -> UserEvent:
    usual = UserEvent(
        event_id="evt-1",
        word=word,
        project_id="prj_shop",
        user_id="user-1",
        reason="fraud",
        changed=(),
        personal={},
    )
    return replace(usual, **changes)


class Owner:
    """Who owns the users, and what we make of their words."""

    def __init__(self, gateway: StripeGateway, store: MemoryStore | None = None) -> None:
        self.gateway, self.store, self.vault = gateway, store or MemoryStore(), MemoryVault()

    async def say(self, word: Word, asked: Context | None = None, **changes: Any) -> Any:
        event = said(word, **changes)
        return await hear_of_user(event, asked or context(actor="users:owner"), self.store, self.gateway, self.vault)

    async def grant(self, credit_type: str = "api") -> None:
        account = Account(project_id="prj_shop", user_id="user-1", credit_type=credit_type)
        gift = GrantCredits(account=account, amount=10, reason="a gift", priority=1, expires_at=None)
        await grant_credits(gift, context(), self.store)

    async def spend(self, credit_type: str = "api") -> None:
        account = Account(project_id="prj_shop", user_id="user-1", credit_type=credit_type)
        await consume_credits(ConsumeCredits(account=account, amount=1, reference=None), context(), self.store)

    @property
    def told(self) -> list[str]:
        return [row.type for row in self.store.rows]


@pytest.fixture
def owner(gateway: StripeGateway) -> Owner:
    return Owner(gateway)


async def test_who_is_suspended_spends_nothing_until_reinstated(owner: Owner) -> None:
    await owner.grant("api")
    await owner.grant("downloads")

    answer = (await owner.say(Word.SUSPENDED)).answer

    assert answer == {"customer_id": CUSTOMER, "standing": "suspended"}
    assert owner.told[2:] == ["customer.registered", "customer.suspended", "credits.frozen", "credits.frozen"]
    for credit_type in ("api", "downloads"):
        with pytest.raises(WalletFrozen):
            await owner.spend(credit_type)
    await owner.say(Word.REINSTATED)
    await owner.spend("api")
    await owner.spend("downloads")


async def test_a_wallet_that_begins_while_its_customer_is_suspended_begins_frozen(owner: Owner) -> None:
    await owner.say(Word.SUSPENDED)

    await owner.grant()

    assert isinstance(owner.store.events[-1], CreditsFrozen)
    with pytest.raises(WalletFrozen):
        await owner.spend()


async def test_a_message_delivered_again_changes_nothing(owner: Owner) -> None:
    await owner.grant()
    asked = context(actor="users:owner")
    for word in (Word.SUSPENDED, Word.SUSPENDED):
        await owner.say(word, asked)
    told = owner.told
    await owner.say(Word.SUSPENDED)  # And one that says the same under another id.

    assert owner.told == told


async def test_what_names_the_person_lies_in_the_vault_alone(owner: Owner) -> None:
    await owner.say(Word.UPDATED, changed=("email",), personal={"email": "ada@example.com"})

    assert owner.told == ["customer.registered", "customer.updated"]
    assert not any(b"ada@example.com" in row.payload for row in owner.store.rows)
    (sealed,) = owner.store.sealed.values()
    assert await owner.vault.open_bytes(sealed) == {"email": "ada@example.com"}


async def test_a_deletion_freezes_ends_subscriptions_and_destroys_the_key(
    gateway: StripeGateway, lookalike: LookAlike
) -> None:
    subscribed = await subscribe(gateway, lookalike)
    await subscribed.catch_up()
    owner = Owner(gateway, subscribed.service.store)
    sealed = await owner.vault.seal(CUSTOMER, "contact", "1", {"email": "ada@example.com"})
    await owner.grant()
    asked = context(actor="users:owner")

    for _ in range(2):
        await owner.say(Word.DELETED, asked)

    stated = await gateway.read_subscription(subscribed.gateway_subscription_id)
    assert stated.status == "expired"
    assert owner.told.count("customer.erased") == 1
    with pytest.raises(WalletFrozen):
        await owner.spend()
    with pytest.raises(Shredded):
        await owner.vault.open_bytes(sealed)


async def test_a_deletion_that_broke_off_at_the_gateway_goes_on_where_it_was(
    gateway: StripeGateway, lookalike: LookAlike
) -> None:
    subscribed = await subscribe(gateway, lookalike)
    await subscribed.catch_up()
    owner, asked = Owner(gateway, subscribed.service.store), context(actor="users:owner")
    path = f"/v1/subscriptions/{subscribed.gateway_subscription_id}"
    await lookalike.control("faults", kind="reset_after", path=path, times=9)

    with pytest.raises(GatewayUnavailable):
        await owner.say(Word.DELETED, asked)
    assert "customer.erased" not in owner.told
    await lookalike.http.delete("/sandbox/faults")
    await owner.say(Word.DELETED, asked)

    assert owner.told.count("customer.erased") == 1
    assert (await gateway.read_subscription(subscribed.gateway_subscription_id)).status == "expired"
