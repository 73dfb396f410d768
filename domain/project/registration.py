"""A project joins, and changes its settings. What it sells says which payment types and features it needs."""

from collections.abc import Mapping, Sequence

from domain.product import Product, detect_features, detect_payment_types
from domain.project.catalogue import added, check_products
from domain.project.events import ProjectEvent, ProjectRegistered, ProjectUpdated
from domain.project.state import Project
from domain.wallet import Clawback


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
    )
    return [registered, *(added(project_id, product) for product in products)]


def update(project: Project, settings: Mapping[str, str], addresses_changed: Sequence[str] = ()) -> list[ProjectEvent]:
    """Change `name`, `domain`, `default_currency` or `clawback`; note that addresses changed, whose values are in the vault."""
    now = {
        "name": project.name,
        "domain": project.domain,
        "default_currency": project.default_currency,
        "clawback": project.clawback.value,
    }
    changed = [key for key, value in settings.items() if now[key] != value]
    if not changed and not addresses_changed:
        return []
    now.update(settings)
    return [
        ProjectUpdated(
            project_id=project.project_id,
            name=now["name"],
            domain=now["domain"],
            default_currency=now["default_currency"],
            payment_types=project.payment_types,
            features=project.features,
            overridden=project.overridden,
            changed=(*changed, *addresses_changed),
            clawback=now["clawback"],
        )
    ]
