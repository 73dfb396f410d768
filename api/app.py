"""The application: every route, and what stands around them."""

from functools import cache

from starlette.routing import BaseRoute

from api.dispatch import Dispatch
from api.middleware import Around, Bounds, Note
from api.openapi import Json, document
from api.operations import Operation, route
from api.routes import (
    audit,
    checkpoints,
    credits,
    documents,
    events,
    health,
    payments,
    projects,
    registry,
    returns,
    stripe_webhooks,
    subscriptions,
    usage,
)
from api.state import Services
from schemas import asyncapi
from schemas.registry import Registry

VERSION = "0.1.0"

BOUNDS = Bounds(timeout_seconds=30.0, body_bytes=64 * 1024, larger={"/webhooks/": 1024 * 1024})

OPERATIONS: tuple[Operation, ...] = (
    *payments.OPERATIONS,
    *returns.OPERATIONS,
    *subscriptions.OPERATIONS,
    *credits.OPERATIONS,
    *usage.OPERATIONS,
    *audit.OPERATIONS,
    *events.OPERATIONS,
    *projects.OPERATIONS,
    *checkpoints.OPERATIONS,
    *health.OPERATIONS,
)


def create_app(services: Services, contracts: Registry, note: Note) -> Around:
    """The application over these services. It opens and closes nothing itself. `note` gets each request's line for the log."""
    routes: list[BaseRoute] = [
        *(route(operation) for operation in OPERATIONS),
        *stripe_webhooks.ROUTES,
        *registry.routes(contracts),
        *documents.routes(
            _openapi(services["url"]), asyncapi.document(contracts, url=services["url"], version=VERSION)
        ),
    ]
    return Around(Dispatch(routes), services, BOUNDS, note)


@cache
def _openapi(url: str) -> Json:
    return document(OPERATIONS, url=url, version=VERSION)
