"""Stripe's request encoding: `a[b][0][c]=v` in a form or a query, as nested dictionaries."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

from sandbox.stripe.errors import StripeRefusal

NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")


def decode(encoded: bytes) -> dict[str, Any]:
    """Read a form or query string; a list is a dictionary whose keys are numbers. Refuses (400) what is neither."""
    try:
        pairs = parse_qsl(
            encoded.decode("ascii"), keep_blank_values=True, strict_parsing=bool(encoded), errors="strict"
        )
    except ValueError as error:
        raise malformed() from error
    tree: dict[str, Any] = {}
    for name, value in pairs:
        _insert(tree, _path(name), value)
    return tree


def malformed() -> StripeRefusal:
    message = "Invalid request (check that your POST content type is application/x-www-form-urlencoded)."
    return StripeRefusal(400, f"{message} If you have questions, we can help at https://support.stripe.com/.")


def _path(name: str) -> list[str]:
    """`a[b][0]` → `["a", "b", "0"]`."""
    match = NAME.fullmatch(name)
    if match is None:
        raise malformed()
    return [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])]


def _insert(tree: dict[str, Any], path: list[str], value: str) -> None:
    for key in path[:-1]:
        tree = tree.setdefault(key or str(len(tree)), {})
        if not isinstance(tree, dict):
            raise malformed()
    last = path[-1] or str(len(tree))
    if isinstance(tree.get(last), dict):
        raise malformed()
    tree[last] = value
