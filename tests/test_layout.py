"""The house: its rooms, and that no name in it collides with what is installed or says nothing."""

import ast
import importlib.metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = {
    "api",
    "commands",
    "consumers",
    "domain",
    "eventlog",
    "gateways",
    "migrations",
    "projections",
    "runtime",
    "sandbox",
    "schemas",
    "vault",
}
BESIDE = {"benchmarks", "deploy", "docs", "examples", "tests"}
SAYS_NOTHING = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc", "core"}

MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def test_every_folder_is_a_room_of_the_house() -> None:
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith((".", "__"))}

    assert folders >= PACKAGES
    assert folders <= PACKAGES | BESIDE


def test_no_installed_distribution_ships_one_of_our_names() -> None:
    shipped = importlib.metadata.packages_distributions()

    assert {name: shipped[name] for name in PACKAGES | BESIDE if name in shipped} == {}


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_says_first_what_a_reader_finds_in_it(module: Path) -> None:
    assert ast.get_docstring(ast.parse(module.read_text())), "no docstring"
    assert SAYS_NOTHING.isdisjoint(module.relative_to(ROOT).with_suffix("").parts)


def test_tests_are_no_packages() -> None:
    assert list((ROOT / "tests").rglob("__init__.py")) == []
