"""/api/v1/credits and /api/v1/projects/{id}/credits: give credits, spend them, hold them, see what customers have."""

from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import timedelta
from functools import partial
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from api import as_of, cursors
from api.answers import answer, shown
from api.authentication import ProjectCaller, a_project, the_operator_or_project
from api.consistency import caught_up
from api.idempotency import context_of, once
from api.models.as_of import AsOfQuery
from api.models.credits import (
    HELD_FOR_SECONDS,
    BalanceAnswer,
    CapturedAnswer,
    CaptureRequest,
    ConsumedAnswer,
    ConsumeRequest,
    CreditsAnswer,
    CreditTotalAnswer,
    EntriesQuery,
    EntryAnswer,
    EntryPage,
    GrantedAnswer,
    GrantRequest,
    HeldAnswer,
    HoldRequest,
    PortionAnswer,
    ProjectCreditsAnswer,
    ReleasedAnswer,
    ReleaseRequest,
)
from api.models.places import HoldPlace, ProjectPlace, UserPlace
from api.operations import Operation
from api.parsing import parse, parse_place, parse_query, read_json
from api.state import State
from commands.credits import (
    Account,
    CaptureHold,
    ConsumeCredits,
    GrantCredits,
    HoldCredits,
    ReleaseHold,
    capture_hold,
    consume_credits,
    grant_credits,
    hold_credits,
    release_hold,
)
from projections import credits

PATH = "/api/v1/credits"


async def grant(request: Request[State]) -> Response:
    """Give a customer credits that nobody paid for."""
    caller, sent = await a_project(request), await read_json(request)
    body = parse(GrantRequest, sent)
    command = GrantCredits(
        account=_account(caller, body),
        amount=body.amount,
        reason=body.reason,
        priority=body.priority,
        expires_at=body.expires_at,
    )
    context = context_of(request, caller, sent, project_id=caller.project_id)
    handler = partial(grant_credits, command, store=request.state["store"])
    return answer(await once(request, context, caller.project_id, handler), HTTPStatus.CREATED)


async def consume(request: Request[State]) -> Response:
    """Spend a customer's credits.

    All of the amount or nothing: 402 `insufficient_credits` says in its details how many are available. The answer says
    which grants the credits came from, and which payments paid for them. Many may spend at once; none overdraws.
    """
    caller, sent = await a_project(request), await read_json(request)
    body = parse(ConsumeRequest, sent)
    command = ConsumeCredits(account=_account(caller, body), amount=body.amount, reference=body.reference)
    context = context_of(request, caller, sent, project_id=caller.project_id)
    handler = partial(consume_credits, command, store=request.state["store"])
    return answer(await once(request, context, caller.project_id, handler))


async def hold(request: Request[State]) -> Response:
    """Set a customer's credits aside for something under way.

    Nobody else can spend them until the hold is captured or released, or its time is over. They do not expire meanwhile.
    """
    caller, sent = await a_project(request), await read_json(request)
    body = parse(HoldRequest, sent)
    context = context_of(request, caller, sent, project_id=caller.project_id)
    held_for = timedelta(seconds=body.expires_in or HELD_FOR_SECONDS)
    command = HoldCredits(
        account=_account(caller, body),
        amount=body.amount,
        reference=body.reference,
        expires_at=body.expires_at or context.now + held_for,
    )
    handler = partial(hold_credits, command, store=request.state["store"])
    return answer(await once(request, context, caller.project_id, handler), HTTPStatus.CREATED)


async def capture(request: Request[State]) -> Response:
    """Spend what a hold has set aside, or less of it.

    The rest is free again. A hold is captured once: 409 `hold_not_open` where it was captured or released, or has expired.
    """
    caller, place = await a_project(request), parse_place(HoldPlace, request)
    sent = await read_json(request, default=b"{}")
    amount = parse(CaptureRequest, sent).amount
    command = CaptureHold(project_id=caller.project_id, hold_id=place.hold_id, amount=amount)
    context = context_of(request, caller, sent, project_id=caller.project_id)
    handler = partial(capture_hold, command, store=request.state["store"])
    return answer(await once(request, context, caller.project_id, handler))


async def release(request: Request[State]) -> Response:
    """Let what a hold has set aside be free again."""
    caller, place = await a_project(request), parse_place(HoldPlace, request)
    sent = await read_json(request, default=b"{}")
    parse(ReleaseRequest, sent)
    command = ReleaseHold(project_id=caller.project_id, hold_id=place.hold_id)
    context = context_of(request, caller, sent, project_id=caller.project_id)
    handler = partial(release_hold, command, store=request.state["store"])
    return answer(await once(request, context, caller.project_id, handler))


async def show_balances(request: Request[State]) -> Response:
    """Show what one customer holds, by credit type. A customer who never had any has none.

    With `as_of` it is folded from the log, as it was shown then; `As-Of-Position` says up to which position that is.
    """
    caller = await a_project(request)
    user_id = parse_place(UserPlace, request).user_id
    asked = await as_of.asked(request)
    schema, reads = await caught_up(request, credits, caller.project_id), request.state["reads"]
    if asked is not None:
        held = await credits.balances_as_of(reads, schema, caller.project_id, user_id, asked.position)
        return as_of.stamped(shown(request, _answer(user_id, held)), asked.position)
    return shown(request, _answer(user_id, await credits.balances(reads, schema, caller.project_id, user_id)))


async def show_entries(request: Request[State]) -> Response:
    """Show one customer's ledger, newest first.

    Every purchase, grant, spend, hold, expiry and revocation is an entry with the balance after it, and with the grants
    that its credits are of.
    """
    caller = await a_project(request)
    user_id, query = parse_place(UserPlace, request).user_id, parse_query(EntriesQuery, request)
    before = None if query.cursor is None else int(cursors.decode(query.cursor, int)[0])
    schema = await caught_up(request, credits, caller.project_id)
    found = await credits.entries(
        request.state["reads"],
        schema,
        caller.project_id,
        user_id,
        credit_type=query.credit_type,
        before_position=before,
        limit=query.limit + 1,
    )
    listed, more = found[: query.limit], found[query.limit :]
    next_cursor = cursors.encode(listed[-1].position) if more else None
    return shown(
        request, EntryPage(user_id=user_id, entries=[_entry(each) for each in listed], next_cursor=next_cursor)
    )


async def show_totals(request: Request[State]) -> Response:
    """Show what all customers of a project hold together, by credit type."""
    place = parse_place(ProjectPlace, request)
    _, project = await the_operator_or_project(request, place.project_id)
    schema = await caught_up(request, credits, project.project_id)
    totals = await credits.project_totals(request.state["reads"], schema, project.project_id)
    listed = [CreditTotalAnswer(**asdict(total)) for total in totals]
    return shown(request, ProjectCreditsAnswer(project_id=project.project_id, balances=listed))


def _account(caller: ProjectCaller, body: GrantRequest | ConsumeRequest | HoldRequest) -> Account:
    return Account(project_id=caller.project_id, user_id=body.user_id, credit_type=body.credit_type)


def _answer(user_id: str, balances: Sequence[credits.Balance]) -> CreditsAnswer:
    return CreditsAnswer(user_id=user_id, balances=[_balance(balance) for balance in balances])


def _balance(balance: credits.Balance) -> BalanceAnswer:
    return BalanceAnswer(
        credit_type=balance.credit_type,
        balance=balance.balance,
        held=balance.held,
        available=balance.available,
        next_expiry=balance.next_expiry,
        frozen=balance.frozen,
    )


def _entry(entry: credits.Entry) -> EntryAnswer:
    paid_by = entry.paid_by or {}
    return EntryAnswer(
        entry_id=entry.entry_id,
        credit_type=entry.credit_type,
        kind=entry.kind,  # type: ignore[arg-type]  # one of our own facts' words
        amount=entry.amount,
        balance=entry.balance,
        held=entry.held,
        portions=[PortionAnswer(**portion, payment_id=paid_by.get(portion["entry_id"])) for portion in entry.portions],
        recorded_at=entry.recorded_at,
        **{name: entry.details[name] for name in _DETAILS & entry.details.keys()},
    )


_DETAILS = EntryAnswer.model_fields.keys() - {field.name for field in fields(credits.Entry)}

OPERATIONS = (
    Operation(
        method="POST",
        path=f"{PATH}/grant",
        endpoint=grant,
        tag="Credits",
        who=("project",),
        body=GrantRequest,
        answers={201: GrantedAnswer},
    ),
    Operation(
        method="POST",
        path=f"{PATH}/consume",
        endpoint=consume,
        tag="Credits",
        who=("project",),
        body=ConsumeRequest,
        answers={200: ConsumedAnswer},
        refusals=(402,),
    ),
    Operation(
        method="POST",
        path=f"{PATH}/hold",
        endpoint=hold,
        tag="Credits",
        who=("project",),
        body=HoldRequest,
        answers={201: HeldAnswer},
        refusals=(402,),
    ),
    Operation(
        method="POST",
        path=PATH + "/hold/{hold_id}/capture",
        endpoint=capture,
        tag="Credits",
        who=("project",),
        place=HoldPlace,
        body=CaptureRequest,
        body_required=False,
        answers={200: CapturedAnswer},
        refusals=(404,),
    ),
    Operation(
        method="POST",
        path=PATH + "/hold/{hold_id}/release",
        endpoint=release,
        tag="Credits",
        who=("project",),
        place=HoldPlace,
        body=ReleaseRequest,
        body_required=False,
        answers={200: ReleasedAnswer},
        refusals=(404,),
    ),
    Operation(
        method="GET",
        path=PATH + "/{user_id}/entries",
        endpoint=show_entries,
        tag="Credits",
        who=("project",),
        place=UserPlace,
        query=EntriesQuery,
        answers={200: EntryPage},
        consistent=True,
    ),
    Operation(
        method="GET",
        path=PATH + "/{user_id}",
        endpoint=show_balances,
        tag="Credits",
        who=("project",),
        place=UserPlace,
        query=AsOfQuery,
        answers={200: CreditsAnswer},
        consistent=True,
    ),
    Operation(
        method="GET",
        path="/api/v1/projects/{project_id}/credits",
        endpoint=show_totals,
        tag="Credits",
        who=("operator", "project"),
        place=ProjectPlace,
        answers={200: ProjectCreditsAnswer},
        refusals=(404,),
        consistent=True,
    ),
)
