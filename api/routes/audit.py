"""/api/v1/audit and /api/v1/payments/{id}/audit: every fact in order, with what the vault knows of who was behind it."""

from collections.abc import Iterable, Mapping, Sequence

from starlette.requests import Request
from starlette.responses import Response

from api import cursors
from api.answers import shown
from api.authentication import a_project
from api.consistency import caught_up
from api.errors import CursorInvalid
from api.models.audit import AuditEntry, AuditPage, AuditQuery, AuditTrail
from api.models.places import PaymentPlace
from api.operations import Operation
from api.parsing import parse_place, parse_query
from api.routes.payments import payment_of
from api.state import State
from domain.customer import customer_id
from projections import audit, payments, subscriptions
from projections.audit import Entry

Origins = Mapping[str, Mapping[str, str]]  # by request id: ip, user_agent


async def show_trail(request: Request[State]) -> Response:
    """Show everything that happened to a payment, and what it caused elsewhere, such as the credits that it bought."""
    caller = await a_project(request)
    payment, _ = await payment_of(request, caller)
    schema = await caught_up(request, audit, caller.project_id)
    stream = parse_place(PaymentPlace, request).payment_id
    entries = await audit.of_stream(request.state["reads"], schema, caller.project_id, stream)
    origins = await _origins(request, entries, {caller.project_id, customer_id(caller.project_id, payment.user_id)})
    return shown(request, AuditTrail(entries=_with_origins(entries, origins)))


async def show_page(request: Request[State]) -> Response:
    """List everything that happened in the project, in the order in which it did.

    With `resource_id` only what happened to that payment, subscription or wallet, and what this caused elsewhere.
    """
    caller = await a_project(request)
    query = parse_query(AuditQuery, request)
    after = _after(query.cursor)
    entries = await _entries(request, caller.project_id, query, after)
    listed, more = entries[: query.limit], entries[query.limit :]
    owners = {caller.project_id, *await _customers(request, caller.project_id, listed)}
    origins = await _origins(request, listed, owners)
    last = cursors.encode(listed[-1].position) if more else None
    return shown(request, AuditPage(entries=_with_origins(listed, origins), next_cursor=last))


async def _entries(request: Request[State], project_id: str, query: AuditQuery, after: int) -> Sequence[Entry]:
    """One more than is wanted, where there are more."""
    pool, schema, most = request.state["reads"], await caught_up(request, audit, project_id), query.limit + 1
    if query.resource_id is None:
        return await audit.page(pool, schema, project_id, after_position=after, limit=most)
    found = await audit.of_stream(pool, schema, project_id, query.resource_id)
    return [entry for entry in found if entry.position > after][:most]


def _after(cursor: str | None) -> int:
    if cursor is None:
        return 0
    (position,) = cursors.decode(cursor, int)
    if not isinstance(position, int) or not 0 < position < 2**53:
        raise CursorInvalid
    return position


async def _customers(request: Request[State], project_id: str, entries: Iterable[Entry]) -> set[str]:
    """Those whose payments and subscriptions these facts are about: what names their machines is sealed with their keys."""
    streams = sorted({entry.stream for entry in entries})
    owners: set[str] = set()
    for model in (payments, subscriptions):
        ids = [stream for stream in streams if stream.startswith(model.stream_prefixes)]
        if ids:
            schema = await request.state["live"].schema(model.name)
            owners |= await model.customers(request.state["reads"], schema, project_id, ids)
    return owners


async def _origins(request: Request[State], entries: Iterable[Entry], owners: Iterable[str]) -> Origins:
    ids = sorted({entry.correlation_id for entry in entries})
    return await request.state["vault"].open_many("request", ids, sorted(owners))


def _with_origins(entries: Sequence[Entry], origins: Origins) -> list[AuditEntry]:
    return [_shown(entry, origins.get(entry.correlation_id, {})) for entry in entries]


def _shown(entry: Entry, origin: Mapping[str, str]) -> AuditEntry:
    actor_type, _, actor_id = entry.actor.partition(":")
    return AuditEntry(
        event_id=str(entry.event_id),
        position=entry.position,
        actor_type=actor_type,
        actor_id=actor_id,
        action=entry.type,
        resource_type=_RESOURCES[entry.stream[:4]],
        resource_id=entry.stream,
        old_values=dict(entry.old_values),
        new_values=dict(entry.new_values),
        ip_address=origin.get("ip") or None,
        user_agent=origin.get("user_agent") or None,
        request_id=entry.correlation_id,
        correlation_id=entry.correlation_id,
        causation_id=entry.causation_id,
        timestamp=entry.recorded_at,
        hash=entry.hash.hex(),
    )


_RESOURCES = {
    "pay_": "payment",
    "sub_": "subscription",
    "wal_": "wallet",
    "prj_": "project",
    "cus_": "customer",
    "usg_": "usage",
}

OPERATIONS = (
    Operation(
        method="GET",
        path="/api/v1/payments/{payment_id}/audit",
        endpoint=show_trail,
        tag="Audit",
        who=("project",),
        place=PaymentPlace,
        answers={200: AuditTrail},
        refusals=(404,),
        consistent=True,
    ),
    Operation(
        method="GET",
        path="/api/v1/audit",
        endpoint=show_page,
        tag="Audit",
        who=("project",),
        query=AuditQuery,
        answers={200: AuditPage},
        consistent=True,
    ),
)
