"""A project joins, and changes its settings. What it sells says which payment types and features it needs."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypedDict

from domain.product import Product, detect_features, detect_payment_types
from domain.project.catalogue import added, check_products
from domain.project.events import GRACE_PERIOD_DAYS, ProjectEvent, ProjectRegistered, ProjectUpdated
from domain.project.state import Project
from domain.wallet import Clawback


class Settings(TypedDict, total=False):
    """What a project may change of itself, as far as it does."""

    name: str
    domain: str
    default_currency: str
    clawback: Clawback
    grace_period_days: int


def register(
    project: Project | None,
    *,
    project_id: str,
    name: str,
    domain: str,
    default_currency: str,
    products: Sequence[Product],
    payment_types: Sequence[str] | None,
    features: Sequence[str] | None,
    clawback: Clawback = Clawback.REMAINING_ONLY,
    grace_period_days: int = GRACE_PERIOD_DAYS,
) -> list[ProjectEvent]:
    """Join, with everything that is sold from the start. A stated payment type or feature overrides the detected one."""
    if project is not None:
        return []
    check_products(products)
    stated = {"payment_types": payment_types, "features": features}
    registered = ProjectRegistered(
        project_id=project_id,
        name=name,
        domain=domain,
        default_currency=default_currency,
        payment_types=detect_payment_types(products) if payment_types is None else tuple(payment_types),
        features=detect_features(products) if features is None else tuple(features),
        overridden=tuple(key for key, value in stated.items() if value is not None),
        clawback=clawback.value,
        grace_period_days=grace_period_days,
    )
    return [registered, *(added(project_id, product) for product in products)]


def update(project: Project, settings: Settings, addresses_changed: Sequence[str] = ()) -> list[ProjectEvent]:
    """Change some settings, and note that addresses changed, whose values stand in the vault."""
    changed = [name for name, value in settings.items() if getattr(project, name) != value]
    if not changed and not addresses_changed:
        return []
    now = replace(project, **settings)
    return [
        ProjectUpdated(
            project_id=now.project_id,
            name=now.name,
            domain=now.domain,
            default_currency=now.default_currency,
            payment_types=now.payment_types,
            features=now.features,
            overridden=now.overridden,
            changed=(*changed, *addresses_changed),
            clawback=now.clawback.value,
            grace_period_days=now.grace_period_days,
        )
    ]
