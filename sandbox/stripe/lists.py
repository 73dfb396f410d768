"""Stripe's list objects, and the page that a list call asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.stripe.store import JsonObject, Page, Store


def everything(objects: Sequence[JsonObject], url: str) -> JsonObject:
    return {"object": "list", "data": list(objects), "has_more": False, "url": url}


def page_of(parameters: Mapping[str, Any], **how: Any) -> Page:
    """The page named by `limit`, `starting_after`, `ending_before` and `created`; `how` adds the call's own filters."""
    asked = {
        "limit": parameters.get("limit", 10),
        "after": parameters.get("starting_after"),
        "before": parameters.get("ending_before"),
        "created": parameters.get("created", {}),
    }
    return Page(**(asked | how))


def listed(store: Store, kind: str, url: str, page: Page) -> JsonObject:
    objects, has_more = store.page(kind, page)
    return {"object": "list", "data": objects, "has_more": has_more, "url": url}


def page_within(objects: Sequence[JsonObject], url: str, parameters: Mapping[str, Any]) -> JsonObject:
    """The page that a list call asks for of objects that stand in another object, in their own order."""
    page = page_of(parameters)
    ids = [one["id"] for one in objects]
    begin = ids.index(page.after) + 1 if page.after in ids else 0
    end = ids.index(page.before) if page.before in ids else len(ids)
    data = objects[begin:end][: page.limit] if page.before is None else objects[begin:end][-page.limit :]
    return {"object": "list", "data": list(data), "has_more": end - begin > page.limit, "url": url}


def given(parameters: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Those of the named filters that the caller sent."""
    return {name: parameters[name] for name in names if name in parameters}
