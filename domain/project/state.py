"""A project as its facts have made it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import assert_never

from domain.product import Price, Product, ProductType
from domain.project.events import (
    GRACE_PERIOD_DAYS,
    KeyIssued,
    KeyRevoked,
    ProductAdded,
    ProductChanged,
    ProjectEvent,
    ProjectRegistered,
    ProjectUpdated,
)
from domain.streams import Kind
from domain.wallet import Clawback


class KeyKind(StrEnum):
    SECRET = "secret"  # may do everything that a project may
    PUBLISHABLE = "publishable"  # may start checkouts of the catalogue from the project's own domain


@dataclass(frozen=True, slots=True)
class Key:
    """A key that is in force. `hash` is the SHA-256 of the whole key, in hexadecimal."""

    key_id: str
    kind: KeyKind
    hash: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    project_id: str
    name: str
    domain: str
    default_currency: str
    payment_types: tuple[str, ...]
    features: tuple[str, ...]
    overridden: tuple[str, ...]
    clawback: Clawback = Clawback.REMAINING_ONLY
    grace_period_days: int = GRACE_PERIOD_DAYS  # how long access goes on after what was paid for, while a renewal fails
    products: Mapping[str, Product] = field(default_factory=dict)
    keys: Mapping[str, Key] = field(default_factory=dict)  # by hash


def evolve(project: Project | None, event: ProjectEvent) -> Project:
    """Apply one fact. Never refuses: what happened, happened."""
    if isinstance(event, ProjectRegistered):
        return Project(
            project_id=event.project_id,
            name=event.name,
            domain=event.domain,
            default_currency=event.default_currency,
            payment_types=event.payment_types,
            features=event.features,
            overridden=event.overridden,
            clawback=Clawback(event.clawback),
            grace_period_days=event.grace_period_days,
        )
    assert project is not None, "a project starts with project.registered"
    match event:
        case ProjectUpdated():
            return replace(
                project,
                name=event.name,
                domain=event.domain,
                default_currency=event.default_currency,
                payment_types=event.payment_types,
                features=event.features,
                overridden=event.overridden,
                clawback=Clawback(event.clawback),
                grace_period_days=event.grace_period_days,
            )
        case ProductAdded() | ProductChanged():
            return replace(project, products={**project.products, event.product_id: _product(event)})
        case KeyIssued():
            key = Key(event.key_id, KeyKind(event.key_kind), event.key_hash, event.hint)
            return replace(project, keys={**project.keys, event.key_hash: key})
        case KeyRevoked():
            kept = {hash: key for hash, key in project.keys.items() if key.key_id != event.key_id}
            return replace(project, keys=kept)
        case _:
            assert_never(event)


def _product(event: ProductAdded | ProductChanged) -> Product:
    return Product(
        product_id=event.product_id,
        name=event.name,
        type=ProductType(event.product_type),
        price=Price(
            price_id=event.price_id,
            amount_minor=event.amount_minor,
            currency=event.currency,
            interval=event.interval,
            interval_count=event.interval_count,
            trial_days=event.trial_days,
        ),
        recurring=event.recurring,
        credits=event.credits,
        credit_type=event.credit_type,
        permissions=event.permissions,
    )


PROJECTS: Kind[Project, ProjectEvent] = Kind("projects", evolve)
