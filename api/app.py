"""The application: every route, and what stands around them."""

from psycopg import OperationalError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from api.errors import on_database_error, on_domain_error, on_http_exception
from api.middleware import AccessLog, BodyLimit, RequestState, Timeout, UnexpectedErrors
from api.openapi import document
from api.operations import Operation, route
from api.routes import (
    audit,
    credits,
    documents,
    events,
    health,
    payments,
    projects,
    refunds,
    registry,
    stripe_webhooks,
    subscriptions,
)
from api.state import Services
from domain.errors import DomainError
from schemas import asyncapi
from schemas.registry import Registry

VERSION = "0.1.0"

REQUEST_TIMEOUT_SECONDS = 30.0
BODY_LIMIT_BYTES = 64 * 1024
WEBHOOK_LIMIT_BYTES = 1024 * 1024

OPERATIONS: tuple[Operation, ...] = (
    *payments.OPERATIONS,
    *refunds.OPERATIONS,
    *subscriptions.OPERATIONS,
    *credits.OPERATIONS,
    *audit.OPERATIONS,
    *events.OPERATIONS,
    *projects.OPERATIONS,
    *health.OPERATIONS,
)


def create_app(services: Services, contracts: Registry) -> Starlette:
    """The application over these services. It opens and closes nothing itself."""
    openapi = document(OPERATIONS, url=services["url"], version=VERSION)
    routes: list[BaseRoute] = [
        *(route(operation) for operation in OPERATIONS),
        *stripe_webhooks.ROUTES,
        *registry.routes(contracts),
        *documents.routes(openapi, asyncapi.document(contracts, url=services["url"], version=VERSION)),
    ]
    app = Starlette(
        routes=routes,
        middleware=[
            Middleware(RequestState, services=services),
            Middleware(AccessLog),
            Middleware(UnexpectedErrors),
            Middleware(Timeout, seconds=REQUEST_TIMEOUT_SECONDS),
            Middleware(BodyLimit, limit_bytes=BODY_LIMIT_BYTES, larger={"/webhooks/": WEBHOOK_LIMIT_BYTES}),
        ],
        exception_handlers={
            DomainError: on_domain_error,
            HTTPException: on_http_exception,
            OperationalError: on_database_error,
        },
    )
    app.router.redirect_slashes = False  # A redirected POST is a POST lost, with some clients.
    return app
