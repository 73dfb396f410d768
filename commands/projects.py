"""Projects: register one, change its settings, issue and revoke its keys."""

import asyncio
import hashlib
import secrets
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast
from uuid import UUID, uuid5

from commands.ports import Context, Decided, EventStore, Receipt, States
from domain.payment.errors import PriceInactive
from domain.product import Product, ProductType
from domain.project import PROJECTS, Key, KeyKind, Project
from domain.project import keys as project_keys
from domain.project.errors import ProjectUnknown
from domain.project.events import GRACE_PERIOD_DAYS
from domain.project.registration import Settings, register, update
from domain.wallet import Clawback
from gateways.port import Gateway
from vault.port import Vault

SECRETS_SHOWN_FOR = timedelta(hours=24)

_PREFIXES = {KeyKind.SECRET: "sk", KeyKind.PUBLISHABLE: "pk"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductOrder:
    """A product as its project describes it. `recurring` follows the gateway's price where it is None."""

    product_id: str
    name: str
    type: ProductType
    price_id: str
    recurring: bool | None = None
    credits: int = 0
    credit_type: str = ""
    permissions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterProject:
    """Let a project join. Payment types and features are detected from its products unless they are stated."""

    name: str
    domain: str
    default_currency: str
    products: Sequence[ProductOrder]
    payment_types: Sequence[str] | None = None
    features: Sequence[str] | None = None
    clawback: Clawback = Clawback.REMAINING_ONLY
    grace_period_days: int = GRACE_PERIOD_DAYS
    success_url: str | None = None
    cancel_url: str | None = None
    webhook_url: str | None = None
    api_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateProject:
    """Change some settings of a project; None leaves one as it is."""

    project_id: str
    name: str | None = None
    domain: str | None = None
    default_currency: str | None = None
    clawback: Clawback | None = None
    grace_period_days: int | None = None
    success_url: str | None = None
    cancel_url: str | None = None
    webhook_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueKey:
    """Hand out one more key, so that an older one can be revoked once nobody uses it."""

    project_id: str
    kind: KeyKind


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeKey:
    """Take a key out of force."""

    project_id: str
    key_id: str
    reason: str


def project_id_of(command_id: UUID) -> str:
    """The id of the project that a command registers, however often the command is sent."""
    return f"prj_{uuid5(command_id, 'project').hex}"


def key_hash(key: str) -> str:
    """What stands in the facts instead of a key: its SHA-256, hexadecimal. Keys are random, so no salt is needed."""
    return hashlib.sha256(key.encode()).hexdigest()


async def register_project(
    command: RegisterProject, context: Context, store: EventStore, gateway: Gateway, vault: Vault
) -> Receipt:
    """Record the project with its products, keys and features. The answer shows the secrets, for 24 hours and no longer.

    Raises `PriceUnknown`, `PriceInactive` and what the domain refuses (`PriceDoesNotFit`, `ProductListedTwice`, …).
    """
    project_id = project_id_of(context.command_id)
    context = context.for_project(project_id)
    known = await store.receipt(context)
    if known is not None:
        return await _with_secrets(known, context, vault)
    products = await asyncio.gather(*(_priced(order, gateway) for order in command.products))
    issued = {kind: _new_key(project_id, kind) for kind in KeyKind}
    webhook_secret = f"whsec_{b64encode(secrets.token_bytes(32)).decode()}"
    shown = {**_keys_shown(issued), "webhook_secret": webhook_secret}
    sealing = context.sealing(
        await vault.seal(project_id, "webhook_secret", project_id, {"secret": webhook_secret}),
        await vault.seal(project_id, "addresses", project_id, _addresses(command)),
        await vault.seal(project_id, "answer", str(context.command_id), shown, context.now + SECRETS_SHOWN_FOR),
    )
    stream = PROJECTS.at(project_id)

    def decide(states: States) -> Decided:
        facts = register(
            states[stream],
            project_id=project_id,
            name=command.name,
            domain=command.domain,
            default_currency=command.default_currency,
            products=products,
            payment_types=command.payment_types,
            features=command.features,
            clawback=command.clawback,
            grace_period_days=command.grace_period_days,
        )
        for key, _ in issued.values():
            facts += project_keys.issue_key(None, project_id, key)
        project = PROJECTS.fold(facts)
        assert project is not None, "just registered"
        return Decided([stream.facts(*facts)], _registered(project, command.api_url))

    return await _with_secrets(await store.record(sealing, [stream], decide), context, vault)


async def update_project(command: UpdateProject, context: Context, store: EventStore, vault: Vault) -> Receipt:
    """Change settings. Addresses go to the vault first, then the fact says that they changed."""
    given = _addresses(command)
    if given and await store.receipt(context) is None:
        addresses = await vault.open(command.project_id, "addresses", command.project_id) or {}
        sealed = await vault.seal(command.project_id, "addresses", command.project_id, {**addresses, **given})
        await vault.put(sealed)
    changes = _settings(command)
    stream = PROJECTS.at(command.project_id)

    def decide(states: States) -> Decided:
        project = _known(states[stream], command.project_id)
        facts = update(project, changes, tuple(given))
        after = PROJECTS.fold(facts, project) or project
        return Decided([stream.facts(*facts)], _described(after))

    return await store.record(context, [stream], decide)


async def issue_key(command: IssueKey, context: Context, store: EventStore, vault: Vault) -> Receipt:
    """Put one more key in force. The answer shows it, for 24 hours and no longer."""
    known = await store.receipt(context)
    if known is not None:
        return await _with_secrets(known, context, vault)
    key, text = _new_key(command.project_id, command.kind)
    sealed = await vault.seal(
        command.project_id, "answer", str(context.command_id), {"key": text}, context.now + SECRETS_SHOWN_FOR
    )
    stream = PROJECTS.at(command.project_id)

    def decide(states: States) -> Decided:
        project = _known(states[stream], command.project_id)
        facts = project_keys.issue_key(project, command.project_id, key)
        return Decided([stream.facts(*facts)], {"key_id": key.key_id, "kind": key.kind.value, "hint": key.hint})

    return await _with_secrets(await store.record(context.sealing(sealed), [stream], decide), context, vault)


async def revoke_key(command: RevokeKey, context: Context, store: EventStore) -> Receipt:
    """Take a key out of force, at once for every process that loads the project after it."""
    stream = PROJECTS.at(command.project_id)

    def decide(states: States) -> Decided:
        project = _known(states[stream], command.project_id)
        facts = project_keys.revoke_key(project, command.key_id, command.reason)
        return Decided([stream.facts(*facts)], {"key_id": command.key_id, "revoked": True})

    return await store.record(context, [stream], decide)


async def _priced(order: ProductOrder, gateway: Gateway) -> Product:
    listed = await gateway.read_price(order.price_id)
    if not listed.active:
        raise PriceInactive(order.price_id)
    return Product(
        product_id=order.product_id,
        name=order.name,
        type=order.type,
        price=listed.price,
        recurring=listed.price.interval is not None if order.recurring is None else order.recurring,
        credits=order.credits,
        credit_type=order.credit_type,
        permissions=order.permissions,
    )


def _new_key(project_id: str, kind: KeyKind) -> tuple[Key, str]:
    text = f"{_PREFIXES[kind]}_{project_id.removeprefix('prj_')}_{secrets.token_hex(24)}"
    return Key(f"key_{secrets.token_hex(12)}", kind, key_hash(text), text[-4:]), text


def _keys_shown(issued: Mapping[KeyKind, tuple[Key, str]]) -> dict[str, str]:
    return {f"{kind.value}_key": text for kind, (_, text) in issued.items()}


def _settings(command: UpdateProject) -> Settings:
    stated = {name: getattr(command, name) for name in Settings.__annotations__}
    return cast(Settings, {name: value for name, value in stated.items() if value is not None})


def _addresses(command: RegisterProject | UpdateProject) -> dict[str, str]:
    stated = {
        "success_url": command.success_url,
        "cancel_url": command.cancel_url,
        "webhook_url": command.webhook_url,
    }
    return {name: url for name, url in stated.items() if url}


async def _with_secrets(receipt: Receipt, context: Context, vault: Vault) -> Receipt:
    """The receipt with what was sealed for its caller: the same body at every retry while the secrets may be shown."""
    shown = await vault.open(context.project_id, "answer", str(context.command_id)) or {}
    answer = {**receipt.answer, **shown}
    if "environment_variables" in answer:
        variables = {name: answer.get(secret, "") for name, secret in _SECRET_VARIABLES.items()}
        answer["environment_variables"] = {**answer["environment_variables"], **variables}
    return Receipt(answer, receipt.versions, receipt.replayed)


_SECRET_VARIABLES = {
    "TILLSTREAM_SECRET_KEY": "secret_key",
    "TILLSTREAM_PUBLISHABLE_KEY": "publishable_key",
    "TILLSTREAM_WEBHOOK_SECRET": "webhook_secret",
}


def _registered(project: Project, api_url: str) -> dict[str, Any]:
    variables = {"TILLSTREAM_URL": api_url, "TILLSTREAM_PROJECT_ID": project.project_id}
    return {**_described(project), "environment_variables": variables}


def _described(project: Project) -> dict[str, Any]:
    return {
        "project_id": project.project_id,
        "name": project.name,
        "domain": project.domain,
        "default_currency": project.default_currency,
        "payment_types": list(project.payment_types),
        "features": list(project.features),
        "overridden": list(project.overridden),
        "clawback": project.clawback.value,
        "grace_period_days": project.grace_period_days,
        "products": [_product_described(product) for product in project.products.values()],
        "keys": [{"key_id": key.key_id, "kind": key.kind.value, "hint": key.hint} for key in project.keys.values()],
    }


def _product_described(product: Product) -> dict[str, Any]:
    return {
        "id": product.product_id,
        "name": product.name,
        "type": product.type.value,
        "price_id": product.price.price_id,
        "amount": product.price.amount_minor,
        "currency": product.price.currency,
        "interval": product.price.interval,
        "interval_count": product.price.interval_count,
        "trial_days": product.price.trial_days,
        "recurring": product.recurring,
        "credits": product.credits,
        "credit_type": product.credit_type,
        "permissions": list(product.permissions),
    }


def _known(project: Project | None, project_id: str) -> Project:
    if project is None:
        raise ProjectUnknown(project_id)
    return project
