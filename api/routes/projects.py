"""/api/v1/projects: register one, look at it, change it, issue and revoke its keys."""

import hashlib
from collections.abc import Mapping
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from api.answers import answer, shown
from api.authentication import the_operator, the_operator_or_project
from api.idempotency import context_of, once
from api.models.places import KeyPlace, ProjectPlace
from api.models.projects import (
    KeyAnswer,
    KeyIssuedAnswer,
    KeyRequest,
    KeyRevocationQuery,
    KeyRevokedAnswer,
    ProductAnswer,
    ProductRequest,
    ProjectAnswer,
    ProjectChangeRequest,
    ProjectRegisteredAnswer,
    ProjectRequest,
    ProjectShown,
)
from api.operations import Operation
from api.parsing import parse, parse_place, parse_query, read_json
from api.state import State
from commands.projects import (
    IssueKey,
    ProductOrder,
    RegisterProject,
    RevokeKey,
    UpdateProject,
    issue_key,
    project_id_of,
    register_project,
    revoke_key,
    update_project,
)
from domain.product import Product, ProductType
from domain.project import KeyKind, Project
from domain.wallet import Clawback


async def register(request: Request[State]) -> Response:
    """Register a project.

    Payment types and features follow from its products. The answer has its keys and its webhook secret: they are shown
    for 24 hours to the same request, and never again.
    """
    caller, state = await the_operator(request), request.state
    sent = await read_json(request)
    body = parse(ProjectRequest, sent)
    context = context_of(request, caller, sent)
    project_id = project_id_of(context.command_id)
    command = RegisterProject(
        name=body.name,
        domain=body.domain,
        default_currency=body.default_currency,
        products=[_product_order(product) for product in body.products],
        payment_types=body.payment_types,
        features=body.features,
        clawback=Clawback(body.clawback),
        grace_period_days=body.grace_period_days,
        success_url=body.success_url,
        cancel_url=body.cancel_url,
        webhook_url=body.webhook_url,
        api_url=state["url"],
    )
    handler = partial(register_project, command, store=state["store"], gateway=state["gateway"], vault=state["vault"])
    return answer(await once(request, context.for_project(project_id), project_id, handler), 201)


async def show(request: Request[State]) -> Response:
    """Show a project: its settings, its products, the hints of its keys."""
    place = parse_place(ProjectPlace, request)
    _, project = await the_operator_or_project(request, place.project_id)
    addresses = await request.state["vault"].open(project.project_id, "addresses", project.project_id)
    body = _project_shown(project, addresses or {})
    return shown(request, body, etag=hashlib.sha256(body.model_dump_json().encode()).hexdigest()[:32])


async def change(request: Request[State]) -> Response:
    """Change a project's settings. What is left out stays as it is."""
    place = parse_place(ProjectPlace, request)
    caller, project = await the_operator_or_project(request, place.project_id)
    sent, state = await read_json(request), request.state
    body = parse(ProjectChangeRequest, sent)
    changes = body.model_dump() | {"clawback": Clawback(body.clawback) if body.clawback else None}
    command = UpdateProject(project_id=project.project_id, **changes)
    context = context_of(request, caller, sent, project_id=project.project_id)
    handler = partial(update_project, command, store=state["store"], vault=state["vault"])
    receipt = await once(request, context, project.project_id, handler)
    state["projects"].forget(project.project_id)
    return answer(receipt)


async def add_key(request: Request[State]) -> Response:
    """Issue one more key. Older ones stay in force, so that keys can be changed without a gap."""
    place = parse_place(ProjectPlace, request)
    caller, project = await the_operator_or_project(request, place.project_id)
    sent, state = await read_json(request), request.state
    command = IssueKey(project_id=project.project_id, kind=KeyKind(parse(KeyRequest, sent).kind))
    context = context_of(request, caller, sent, project_id=project.project_id)
    handler = partial(issue_key, command, store=state["store"], vault=state["vault"])
    receipt = await once(request, context, project.project_id, handler)
    state["projects"].forget(project.project_id)
    return answer(receipt, 201)


async def remove_key(request: Request[State]) -> Response:
    """Revoke a key. It opens nothing any more, here at once and everywhere within a second."""
    place = parse_place(KeyPlace, request)
    caller, project = await the_operator_or_project(request, place.project_id)
    query, state = parse_query(KeyRevocationQuery, request), request.state
    command = RevokeKey(project_id=project.project_id, key_id=place.key_id, reason=query.reason)
    context = context_of(request, caller, query.model_dump(), project_id=project.project_id)
    receipt = await once(request, context, project.project_id, partial(revoke_key, command, store=state["store"]))
    state["projects"].forget(project.project_id)
    return answer(receipt)


def _product_order(product: ProductRequest) -> ProductOrder:
    return ProductOrder(
        product_id=product.id,
        name=product.name,
        type=ProductType(product.type),
        price_id=product.price_id,
        recurring=product.recurring,
        credits=product.credits,
        credit_type=product.credit_type,
        permissions=tuple(product.permissions),
    )


def _project_shown(project: Project, addresses: Mapping[str, str]) -> ProjectShown:
    return ProjectShown(
        project_id=project.project_id,
        name=project.name,
        domain=project.domain,
        default_currency=project.default_currency,
        payment_types=list(project.payment_types),
        features=list(project.features),
        overridden=list(project.overridden),
        clawback=project.clawback.value,
        grace_period_days=project.grace_period_days,
        products=[_product_shown(product) for product in project.products.values()],
        keys=[KeyAnswer(key_id=key.key_id, kind=key.kind.value, hint=key.hint) for key in project.keys.values()],
        success_url=addresses.get("success_url") or None,
        cancel_url=addresses.get("cancel_url") or None,
        webhook_url=addresses.get("webhook_url") or None,
    )


def _product_shown(product: Product) -> ProductAnswer:
    return ProductAnswer(
        id=product.product_id,
        name=product.name,
        type=product.type.value,
        price_id=product.price.price_id,
        amount=product.price.amount_minor,
        currency=product.price.currency,
        interval=product.price.interval,
        interval_count=product.price.interval_count,
        trial_days=product.price.trial_days,
        recurring=product.recurring,
        credits=product.credits,
        credit_type=product.credit_type,
        permissions=list(product.permissions),
    )


OPERATIONS = (
    Operation(
        method="POST",
        path="/api/v1/projects",
        endpoint=register,
        tag="Projects",
        who=("operator",),
        body=ProjectRequest,
        answers={201: ProjectRegisteredAnswer},
        refusals=(502,),
    ),
    Operation(
        method="GET",
        path="/api/v1/projects/{project_id}",
        endpoint=show,
        tag="Projects",
        who=("operator", "project"),
        place=ProjectPlace,
        answers={200: ProjectShown, 304: None},
        refusals=(404,),
    ),
    Operation(
        method="PATCH",
        path="/api/v1/projects/{project_id}",
        endpoint=change,
        tag="Projects",
        who=("operator", "project"),
        place=ProjectPlace,
        body=ProjectChangeRequest,
        answers={200: ProjectAnswer},
        refusals=(404,),
    ),
    Operation(
        method="POST",
        path="/api/v1/projects/{project_id}/keys",
        endpoint=add_key,
        tag="Projects",
        who=("operator", "project"),
        place=ProjectPlace,
        body=KeyRequest,
        answers={201: KeyIssuedAnswer},
        refusals=(404,),
    ),
    Operation(
        method="DELETE",
        path="/api/v1/projects/{project_id}/keys/{key_id}",
        endpoint=remove_key,
        tag="Projects",
        who=("operator", "project"),
        place=KeyPlace,
        query=KeyRevocationQuery,
        answers={200: KeyRevokedAnswer},
        refusals=(404,),
    ),
)
