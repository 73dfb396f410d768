"""The projects read model: settings, products and keys."""

from collections.abc import Sequence

import pytest

from domain.project import (
    PROJECTS,
    KeyIssued,
    KeyRevoked,
    ProductAdded,
    ProductChanged,
    ProjectRegistered,
    ProjectUpdated,
)
from domain.project.events import ProjectEvent
from projections import projects
from runtime.postgres import Pool
from schemas.envelope import Recorded
from tests.projections.conftest import Apply, Rows
from tests.published import History
from tests.samples import PROJECT

REGISTERED = ProjectRegistered(
    project_id=PROJECT,
    name="Shop",
    domain="shop.example",
    default_currency="usd",
    payment_types=("one_time",),
    features=(),
)
EBOOK = ProductAdded(
    project_id=PROJECT,
    product_id="ebook",
    name="E-book",
    product_type="one_time",
    price_id="price_ebook",
    amount_minor=29_99,
    currency="usd",
    interval=None,
    recurring=False,
    credits=0,
    credit_type="",
    permissions=("read", "print"),
)
DEARER = ProductChanged(
    project_id=PROJECT,
    product_id="ebook",
    name="E-book",
    product_type="one_time",
    price_id="price_ebook_2",
    amount_minor=39_99,
    currency="usd",
    interval=None,
    recurring=False,
    credits=0,
    credit_type="",
    permissions=("read",),
)
UPDATED = ProjectUpdated(
    project_id=PROJECT,
    name="Bookshop",
    domain="shop.example",
    default_currency="eur",
    payment_types=("one_time",),
    features=("permissions",),
    overridden=("features",),
    changed=("name", "default_currency"),
)
ISSUED = KeyIssued(project_id=PROJECT, key_id="key_1", key_kind="secret", key_hash="ab" * 32, hint="…x7Qa")
REVOKED = KeyRevoked(project_id=PROJECT, key_id="key_1", reason="rotated")
LIFE: Sequence[ProjectEvent] = [REGISTERED, EBOOK, ISSUED, UPDATED, DEARER, REVOKED]


def facts(*events: ProjectEvent) -> Sequence[Recorded]:
    history = History()
    for event in events:
        history.commit(PROJECTS.at(PROJECT).facts(event))
    return history.facts


@pytest.mark.parametrize("at_once", [1, 2, 6])
async def test_a_project_is_shown_as_its_facts_have_made_it(apply: Apply, pool: Pool, at_once: int) -> None:
    life = facts(*LIFE)
    for start in range(0, len(life), at_once):
        apply(projects, life[start : start + at_once])

    project = await projects.by_id(pool, "projects_1", PROJECT)

    assert project is not None
    assert (project.name, project.default_currency, project.features) == ("Bookshop", "eur", ["permissions"])
    assert (project.registered_at, project.updated_at) == (life[0].recorded_at, life[-1].recorded_at)
    assert project.version == len(life)
    [product] = project.products
    assert (product.price_id, product.amount_minor, product.permissions) == ("price_ebook_2", 39_99, ["read"])
    [key] = project.keys
    assert (key.hint, key.issued_at, key.revoked_at) == ("…x7Qa", life[2].recorded_at, life[5].recorded_at)
    assert key.revoke_reason == "rotated"


async def test_an_unknown_project_is_not_there(live: object, pool: Pool) -> None:
    assert await projects.by_id(pool, "projects_1", PROJECT) is None


def test_the_hash_of_a_key_stands_in_no_table(apply: Apply, rows: Rows) -> None:
    apply(projects, facts(*LIFE))

    assert "ab" * 32 not in str([rows("projects_1.projects"), rows("projects_1.products"), rows("projects_1.keys")])


def test_applying_facts_again_changes_nothing(apply: Apply, rows: Rows) -> None:
    life = facts(*LIFE)
    apply(projects, life)
    tables = ("projects_1.projects", "projects_1.products", "projects_1.keys")
    before = [rows(table) for table in tables]

    apply(projects, life[:3])
    apply(projects, life)

    assert [rows(table) for table in tables] == before
