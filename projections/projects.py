"""Projects: their settings, what they sell, and which keys they have."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from psycopg import Cursor
from psycopg.rows import class_row, dict_row

from domain.project import KeyIssued, KeyRevoked, ProductAdded, ProductChanged, ProjectRegistered, ProjectUpdated
from projections.statements import beside, on
from projections.tables import Table
from runtime.postgres import Pool
from schemas.envelope import Recorded

name = "projects"
topics = frozenset({"projects"})
stream_prefixes = ("prj_",)
stream_column = "project_id"
tables = beside(__file__)

_PROJECTS = Table(__file__, "projects", merge="apply_projects")
_PRODUCTS = Table(__file__, "products", merge="apply_products")
_KEYS = Table(__file__, "keys", merge="apply_keys")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductRow:
    """One thing that a project sells, at the price that the gateway states. `credits` are per unit."""

    product_id: str
    name: str
    product_type: str
    price_id: str
    amount_minor: int
    currency: str
    interval: str | None
    interval_count: int
    trial_days: int
    recurring: bool
    credits: int
    credit_type: str
    permissions: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRow:
    """A key as it may be shown: never the key, only its kind and last letters. In force until `revoked_at`."""

    key_id: str
    kind: str
    hint: str
    issued_at: datetime
    revoked_at: datetime | None
    revoke_reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectRow:
    """A project with its products and keys, each in the order of their ids."""

    project_id: str
    name: str
    domain: str
    default_currency: str
    payment_types: Sequence[str]
    features: Sequence[str]
    overridden: Sequence[str]
    clawback: str
    grace_period_days: int
    registered_at: datetime
    updated_at: datetime
    version: int
    position: int
    products: Sequence[ProductRow]
    keys: Sequence[KeyRow]


# The fold: what facts say of a row, as columns. Those that they do not speak of are absent.

Said = dict[str, Any]


def project(fact: Recorded) -> Said:
    """What a fact says of its project: all of its settings, or only that there is a newer version."""
    said: Said = {
        "project_id": fact.stream,
        "updated_at": fact.recorded_at,
        "version": fact.version,
        "position": fact.position,
    }
    event = fact.event
    if isinstance(event, ProjectRegistered):
        said["registered_at"] = fact.recorded_at
    if isinstance(event, ProjectRegistered | ProjectUpdated):
        said |= {"name": event.name, "domain": event.domain, "default_currency": event.default_currency}
        said |= {"payment_types": event.payment_types, "features": event.features, "overridden": event.overridden}
        said |= {"clawback": event.clawback, "grace_period_days": event.grace_period_days}
    return said


def product(fact: Recorded, event: ProductAdded | ProductChanged) -> Said:
    """A product as it is from this fact on."""
    return {
        "project_id": fact.stream,
        "product_id": event.product_id,
        "name": event.name,
        "product_type": event.product_type,
        "price_id": event.price_id,
        "amount_minor": event.amount_minor,
        "currency": event.currency,
        "interval": event.interval,
        "interval_count": event.interval_count,
        "trial_days": event.trial_days,
        "recurring": event.recurring,
        "credits": event.credits,
        "credit_type": event.credit_type,
        "permissions": event.permissions,
        "version": fact.version,
        "position": fact.position,
    }


def key(fact: Recorded, event: KeyIssued | KeyRevoked) -> Said:
    """What a fact says of a key: that it was issued, or that it is revoked."""
    said = {"project_id": fact.stream, "key_id": event.key_id, "version": fact.version, "position": fact.position}
    if isinstance(event, KeyIssued):
        return {**said, "kind": event.key_kind, "hint": event.hint, "issued_at": fact.recorded_at}
    return {**said, "revoked_at": fact.recorded_at, "revoke_reason": event.reason}


def apply(facts: Sequence[Recorded], cursor: Cursor[Any], schema: str) -> None:
    """Fold facts into a row per project, product and key, and write each once."""
    projects: dict[str, Said] = {}
    products: dict[tuple[str, str], Said] = {}
    keys: dict[tuple[str, str], Said] = {}
    for fact in facts:
        projects.setdefault(fact.stream, {}).update(project(fact))
        match fact.event:
            case ProductAdded() | ProductChanged() as event:
                products.setdefault((fact.stream, event.product_id), {}).update(product(fact, event))
            case KeyIssued() | KeyRevoked() as event:
                keys.setdefault((fact.stream, event.key_id), {}).update(key(fact, event))
    _PROJECTS.write(_sorted(projects), cursor, schema)
    _PRODUCTS.write(_sorted(products), cursor, schema)
    _KEYS.write(_sorted(keys), cursor, schema)


def _sorted(rows: Mapping[Any, Said]) -> Sequence[Said]:
    return [rows[key] for key in sorted(rows)]


# The queries.


async def by_id(pool: Pool, schema: str, project_id: str) -> ProjectRow | None:
    """A project with what it sells and its keys; None where it is not shown (yet)."""
    async with pool.connection() as connection, connection.transaction():
        # One snapshot for all three tables.
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        async with connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(_select(schema, "projects", _PROJECTS.columns), [project_id])
            found = await cursor.fetchone()
        if found is None:
            return None
        async with connection.cursor(row_factory=class_row(ProductRow)) as cursor_of_products:
            await cursor_of_products.execute(
                _select(schema, "products", _names(ProductRow), "product_id"), [project_id]
            )
            products = await cursor_of_products.fetchall()
        async with connection.cursor(row_factory=class_row(KeyRow)) as cursor_of_keys:
            await cursor_of_keys.execute(_select(schema, "keys", _names(KeyRow), "key_id"), [project_id])
            keys = await cursor_of_keys.fetchall()
    return ProjectRow(**found, products=products, keys=keys)


async def versions(pool: Pool, schema: str, streams: Sequence[str]) -> Mapping[str, int]:
    """The versions that the projects among these streams are shown at."""
    query = on(schema, "SELECT project_id, version FROM {schema}.projects WHERE project_id = ANY (%b)")
    async with pool.connection() as connection:
        return dict(await (await connection.execute(query, [streams])).fetchall())


def _names(row: type) -> Sequence[str]:
    return [field.name for field in fields(row)]


def _select(schema: str, table: str, columns: Iterable[str], order: str = "project_id") -> bytes:
    listed = ", ".join(f'"{column}"' for column in columns)
    return on(schema, f"SELECT {listed} FROM {{schema}}.{table} WHERE project_id = %s ORDER BY {order}")  # noqa: S608
