"""Registering projects, and their keys: what is answered, what is recorded, and what is neither."""

from dataclasses import replace
from datetime import timedelta

import pytest

from commands.projects import (
    IssueKey,
    ProductOrder,
    RegisterProject,
    RevokeKey,
    UpdateProject,
    issue_key,
    key_hash,
    project_id_of,
    register_project,
    revoke_key,
    update_project,
)
from commands.store.memory import MemoryStore
from domain.product import ProductType
from domain.project import PROJECTS, KeyKind, Project
from domain.project.errors import KeyUnknown, LastSecretKey, PriceDoesNotFit, ProjectUnknown
from gateways.errors import PriceUnknown
from gateways.stripe.client import StripeGateway
from tests.commands.payments import context
from vault.memory import MemoryVault

PACK = ProductOrder(
    product_id="pack",
    name="1,000 credits",
    type=ProductType.API_CREDITS,
    price_id="price_credits_1000",
    credits=1000,
    credit_type="api",
)
SHOP = RegisterProject(
    name="Shop",
    domain="shop.example",
    default_currency="usd",
    products=[PACK],
    success_url="https://shop.example/thanks",
    api_url="https://pay.example",
)


class Vaulted(MemoryStore):
    """Writes sealed records into the vault, as the two share a database outside of tests."""

    def __init__(self, vault: MemoryVault) -> None:
        super().__init__()
        self.vault = vault

    async def to_vault(self) -> None:
        for record in self.sealed.values():
            await self.vault.put(record)


@pytest.fixture
def vault() -> MemoryVault:
    return MemoryVault()


@pytest.fixture
def store(vault: MemoryVault) -> Vaulted:
    return Vaulted(vault)


async def project(store: MemoryStore, project_id: str) -> Project:
    found = await store.load(PROJECTS.at(project_id))
    assert found is not None
    return found


async def test_a_project_gets_its_id_its_features_and_its_keys(
    store: Vaulted, vault: MemoryVault, gateway: StripeGateway
) -> None:
    asked = context(project_id="operator", actor="operator:operator")
    await register_project(SHOP, asked, store, gateway, vault)
    await store.to_vault()

    answer = (await register_project(SHOP, asked, store, gateway, vault)).answer

    assert answer["project_id"] == project_id_of(asked.command_id)
    assert (answer["payment_types"], answer["features"]) == (["one_time"], ["credits"])
    assert answer["products"][0]["amount"] == 10_00
    assert answer["environment_variables"] == {
        "TILLSTREAM_URL": "https://pay.example",
        "TILLSTREAM_PROJECT_ID": answer["project_id"],
        "TILLSTREAM_SECRET_KEY": answer["secret_key"],
        "TILLSTREAM_PUBLISHABLE_KEY": answer["publishable_key"],
        "TILLSTREAM_WEBHOOK_SECRET": answer["webhook_secret"],
    }
    keys = (await project(store, answer["project_id"])).keys
    assert keys[key_hash(answer["secret_key"])].kind is KeyKind.SECRET
    assert keys[key_hash(answer["publishable_key"])].kind is KeyKind.PUBLISHABLE


async def test_no_fact_holds_a_secret_or_an_address(store: Vaulted, vault: MemoryVault, gateway: StripeGateway) -> None:
    asked = context()
    await register_project(SHOP, asked, store, gateway, vault)
    await store.to_vault()
    answer = (await register_project(SHOP, asked, store, gateway, vault)).answer

    recorded = b"".join(row.payload for row in store.rows)

    for secret in (answer["secret_key"], answer["publishable_key"], answer["webhook_secret"]):
        assert secret.encode() not in recorded
    assert b"shop.example/thanks" not in recorded


async def test_after_a_day_a_retry_answers_without_the_secrets(
    store: Vaulted, vault: MemoryVault, gateway: StripeGateway
) -> None:
    asked = context()
    long_ago = replace(asked, now=asked.now - timedelta(hours=25))
    await register_project(SHOP, long_ago, store, gateway, vault)
    await store.to_vault()

    answer = (await register_project(SHOP, asked, store, gateway, vault)).answer

    assert answer["project_id"] == project_id_of(asked.command_id)
    assert "secret_key" not in answer
    assert answer["environment_variables"]["TILLSTREAM_SECRET_KEY"] == ""


async def test_recurring_follows_the_price_where_nothing_is_said(
    store: Vaulted, vault: MemoryVault, gateway: StripeGateway
) -> None:
    pro = ProductOrder(product_id="pro", name="Pro", type=ProductType.PRO_FEATURES, price_id="price_pro_monthly")

    answer = (await register_project(replace(SHOP, products=[pro]), context(), store, gateway, vault)).answer

    assert (answer["products"][0]["recurring"], answer["products"][0]["interval"]) == (True, "month")


async def test_a_price_that_contradicts_its_product_is_refused(
    store: Vaulted, vault: MemoryVault, gateway: StripeGateway
) -> None:
    wrong = replace(PACK, price_id="price_pro_monthly", recurring=False)

    with pytest.raises(PriceDoesNotFit):
        await register_project(replace(SHOP, products=[wrong]), context(), store, gateway, vault)
    assert store.rows == []


async def test_a_price_that_the_gateway_does_not_know_is_refused(
    store: Vaulted, vault: MemoryVault, gateway: StripeGateway
) -> None:
    with pytest.raises(PriceUnknown):
        await register_project(
            replace(SHOP, products=[replace(PACK, price_id="price_nowhere")]), context(), store, gateway, vault
        )


@pytest.fixture
async def shop(store: Vaulted, vault: MemoryVault, gateway: StripeGateway) -> str:
    receipt = await register_project(SHOP, context(), store, gateway, vault)
    await store.to_vault()
    return str(receipt.answer["project_id"])


async def test_new_settings_are_facts_and_new_addresses_go_to_the_vault(
    store: Vaulted, vault: MemoryVault, shop: str
) -> None:
    command = UpdateProject(project_id=shop, name="The shop", cancel_url="https://shop.example/cart")

    receipt = await update_project(command, context(), store, vault)

    assert receipt.answer["name"] == "The shop"
    assert await vault.open(shop, "addresses", shop) == {
        "success_url": "https://shop.example/thanks",
        "cancel_url": "https://shop.example/cart",
    }
    assert not any(b"/cart" in row.payload for row in store.rows)


async def test_keys_are_rotated_with_overlap(store: Vaulted, vault: MemoryVault, shop: str) -> None:
    (old,) = [key for key in (await project(store, shop)).keys.values() if key.kind is KeyKind.SECRET]
    asked = context(project_id=shop)
    command = IssueKey(project_id=shop, kind=KeyKind.SECRET)
    await issue_key(command, asked, store, vault)
    await store.to_vault()
    issued = (await issue_key(command, asked, store, vault)).answer
    assert {old.hash, key_hash(issued["key"])} <= set((await project(store, shop)).keys)

    revoke = RevokeKey(project_id=shop, key_id=old.key_id, reason="rotated")
    await revoke_key(revoke, context(), store)

    assert old.hash not in (await project(store, shop)).keys
    with pytest.raises(KeyUnknown):
        await revoke_key(revoke, context(), store)


async def test_the_last_secret_key_stays(store: Vaulted, shop: str) -> None:
    (key,) = [key for key in (await project(store, shop)).keys.values() if key.kind is KeyKind.SECRET]

    with pytest.raises(LastSecretKey):
        await revoke_key(RevokeKey(project_id=shop, key_id=key.key_id, reason="leaked"), context(), store)


async def test_an_unknown_project_is_said_to_be_unknown(store: Vaulted, vault: MemoryVault) -> None:
    with pytest.raises(ProjectUnknown):
        await update_project(UpdateProject(project_id="prj_nowhere", name="X"), context(), store, vault)
