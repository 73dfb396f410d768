"""How a project joins, what is detected from its products, and its keys."""

from dataclasses import replace

import pytest

from domain.errors import DomainError
from domain.product import Product, ProductType, detect_features, detect_payment_types
from domain.project import PROJECTS, Key, KeyIssued, KeyKind, KeyRevoked, Project, ProjectRegistered, ProjectUpdated
from domain.project.catalogue import check_products, product_for_sale, put_product
from domain.project.errors import (
    CreditTypeMissing,
    KeyUnknown,
    LastSecretKey,
    PaymentTypeDoesNotFit,
    PriceDoesNotFit,
    ProductListedTwice,
    ProductUnknown,
)
from domain.project.keys import issue_key, revoke_key
from domain.project.registration import register, update
from domain.wallet import Clawback
from tests.samples import EBOOK, PACK, PRO

CALLS = replace(PRO, product_id="calls", type=ProductType.METERED, permissions=())
SECRET = Key("key_1", KeyKind.SECRET, "hash1", "abcd")
SPARE = Key("key_2", KeyKind.SECRET, "hash2", "efgh")
PUBLIC = Key("key_3", KeyKind.PUBLISHABLE, "hash3", "ijkl")


def registered(*products: Product, keys: tuple[Key, ...] = (SECRET, PUBLIC)) -> Project:
    facts = register(
        None,
        project_id="prj_1",
        name="Shop",
        domain="shop.example",
        default_currency="usd",
        products=products,
        payment_types=None,
        features=None,
        grace_period_days=3,
    )
    for key in keys:
        facts += issue_key(None, "prj_1", key)
    project = PROJECTS.fold(facts)
    assert project is not None
    return project


@pytest.mark.parametrize(
    ("products", "payment_types", "features"),
    [
        ([], ("one_time",), ()),
        ([EBOOK], ("one_time",), ()),
        ([PRO], ("subscription",), ("permissions",)),
        ([EBOOK, PRO], ("both",), ("permissions",)),
        ([PACK], ("one_time",), ("credits",)),
        ([CALLS], ("subscription",), ("metered",)),
        ([PACK, PRO, CALLS], ("both",), ("credits", "metered", "permissions")),
    ],
)
def test_products_say_which_payment_types_and_features_are_needed(
    products: list[Product], payment_types: tuple[str, ...], features: tuple[str, ...]
) -> None:
    assert detect_payment_types(products) == payment_types
    assert detect_features(products) == features


def test_what_is_stated_overrides_what_is_detected_and_says_so() -> None:
    facts = register(
        None,
        project_id="prj_1",
        name="Shop",
        domain="shop.example",
        default_currency="usd",
        products=[EBOOK],
        payment_types=["both"],
        features=None,
        grace_period_days=3,
    )

    assert isinstance(facts[0], ProjectRegistered)
    assert (facts[0].payment_types, facts[0].overridden) == (("both",), ("payment_types",))


def test_a_project_joins_once() -> None:
    facts = register(
        registered(EBOOK),
        project_id="prj_1",
        name="Shop",
        domain="shop.example",
        default_currency="usd",
        products=[],
        payment_types=None,
        features=None,
        grace_period_days=3,
    )

    assert facts == []


def test_the_catalogue_holds_what_was_registered() -> None:
    assert registered(EBOOK, PRO).products == {"ebook": EBOOK, "pro": PRO}


@pytest.mark.parametrize(
    ("products", "refusal"),
    [
        ([EBOOK, EBOOK], ProductListedTwice),
        ([replace(EBOOK, recurring=True)], PriceDoesNotFit),
        ([replace(PRO, recurring=False)], PriceDoesNotFit),
        ([replace(EBOOK, type=ProductType.SUBSCRIPTION)], PriceDoesNotFit),
        ([replace(PRO, type=ProductType.ONE_TIME)], PriceDoesNotFit),
        ([replace(PACK, credit_type="")], CreditTypeMissing),
    ],
)
def test_products_that_contradict_themselves_are_refused(products: list[Product], refusal: type[DomainError]) -> None:
    with pytest.raises(refusal):
        check_products(products)


def test_a_product_is_put_once_and_changed_when_it_differs() -> None:
    project = registered(EBOOK)

    assert put_product(project, EBOOK) == []
    (added,) = put_product(project, PRO)
    (changed,) = put_product(project, replace(EBOOK, name="The e-book"))
    after = PROJECTS.fold([added, changed], project)
    assert after is not None
    assert after.products == {"ebook": replace(EBOOK, name="The e-book"), "pro": PRO}


@pytest.mark.parametrize("asked", ["auto", "one_time"])
def test_auto_follows_the_product(asked: str) -> None:
    assert product_for_sale(registered(EBOOK), "ebook", asked) == EBOOK


def test_asking_for_what_a_product_is_not_is_refused() -> None:
    with pytest.raises(PaymentTypeDoesNotFit, match="paid as one_time"):
        product_for_sale(registered(EBOOK), "ebook", "subscription")


def test_what_is_not_sold_cannot_be_bought() -> None:
    with pytest.raises(ProductUnknown):
        product_for_sale(registered(), "ebook", "auto")


def test_settings_change_once_and_name_what_changed() -> None:
    project = registered()

    (fact,) = update(project, {"name": "The shop", "domain": "shop.example"})

    assert isinstance(fact, ProjectUpdated)
    assert (fact.name, fact.changed) == ("The shop", ("name",))
    after = PROJECTS.fold([fact], project)
    assert after is not None
    assert update(after, {"name": "The shop"}) == []


def test_a_grace_period_is_three_days_until_the_project_says_otherwise() -> None:
    project = registered()
    assert project.grace_period_days == 3

    (fact,) = update(project, {"grace_period_days": 14})

    assert isinstance(fact, ProjectUpdated)
    assert (fact.grace_period_days, fact.changed) == (14, ("grace_period_days",))
    after = PROJECTS.fold([fact], project)
    assert after is not None
    assert (after.name, after.grace_period_days) == ("Shop", 14)


def test_a_new_address_is_a_fact_without_the_address() -> None:
    (fact,) = update(registered(), {}, ("success_url",))

    assert isinstance(fact, ProjectUpdated)
    assert fact.changed == ("success_url",)


def test_what_happens_to_spent_credits_is_a_setting_like_others() -> None:
    project = registered()
    assert project.clawback is Clawback.REMAINING_ONLY

    (fact,) = update(project, {"clawback": Clawback.ALLOW_DEBT})

    assert isinstance(fact, ProjectUpdated)
    assert (fact.clawback, fact.changed) == ("allow_debt", ("clawback",))
    after = PROJECTS.fold([fact], project)
    assert after is not None
    assert after.clawback is Clawback.ALLOW_DEBT
    (renamed,) = update(after, {"name": "The shop"})
    assert isinstance(renamed, ProjectUpdated)
    assert renamed.clawback == "allow_debt"


def test_keys_are_rotated_with_overlap() -> None:
    project = registered(keys=(SECRET, SPARE))

    (fact,) = revoke_key(project, "key_1", "rotated")

    assert fact == KeyRevoked(project_id="prj_1", key_id="key_1", reason="rotated")
    after = PROJECTS.fold([fact], project)
    assert after is not None
    assert after.keys == {"hash2": SPARE}


def test_a_key_is_issued_once() -> None:
    assert issue_key(registered(), "prj_1", SECRET) == []
    assert isinstance(issue_key(registered(), "prj_1", SPARE)[0], KeyIssued)


def test_the_last_secret_key_stays() -> None:
    with pytest.raises(LastSecretKey):
        revoke_key(registered(), "key_1", "leaked")


def test_an_unknown_key_is_not_revoked() -> None:
    with pytest.raises(KeyUnknown):
        revoke_key(registered(), "key_9", "leaked")
