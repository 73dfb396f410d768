"""/api/v1/credits and /api/v1/projects/{id}/credits: what customers hold."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from api import as_of
from api.answers import shown
from api.authentication import a_project, the_operator_or_project
from api.consistency import caught_up
from api.models.as_of import AsOfQuery
from api.models.credits import BalanceAnswer, CreditsAnswer, CreditTotalAnswer, ProjectCreditsAnswer
from api.models.places import ProjectPlace, UserPlace
from api.operations import Operation
from api.parsing import parse_place
from api.state import State
from projections import credits


async def show_balances(request: Request[State]) -> Response:
    """Show what one customer holds, by credit type. A customer who never had any has none.

    With `as_of` it is folded from the log, as it was shown then; `As-Of-Position` says up to which position that is.
    """
    caller = await a_project(request)
    user_id = parse_place(UserPlace, request).user_id
    asked = await as_of.asked(request)
    schema, reads = await caught_up(request, credits), request.state["reads"]
    if asked is not None:
        held = await credits.balances_as_of(reads, schema, caller.project_id, user_id, asked.position)
        return as_of.stamped(shown(request, _answer(user_id, held)), asked.position)
    return shown(request, _answer(user_id, await credits.balances(reads, schema, caller.project_id, user_id)))


async def show_totals(request: Request[State]) -> Response:
    """Show what all customers of a project hold together, by credit type."""
    place = parse_place(ProjectPlace, request)
    _, project = await the_operator_or_project(request, place.project_id)
    schema = await caught_up(request, credits)
    totals = await credits.project_totals(request.state["reads"], schema, project.project_id)
    return shown(
        request, ProjectCreditsAnswer(project_id=project.project_id, balances=[_total(total) for total in totals])
    )


def _answer(user_id: str, balances: Sequence[credits.Balance]) -> CreditsAnswer:
    return CreditsAnswer(user_id=user_id, balances=[_balance(balance) for balance in balances])


def _balance(balance: credits.Balance) -> BalanceAnswer:
    return BalanceAnswer(
        credit_type=balance.credit_type,
        balance=balance.balance,
        held=0,  # Nothing can be held or expire yet.
        available=max(balance.balance, 0),
        next_expiry=None,
    )


def _total(total: credits.Total) -> CreditTotalAnswer:
    return CreditTotalAnswer(
        credit_type=total.credit_type,
        balance=total.balance,
        held=0,
        available=max(total.balance, 0),
        wallets=total.wallets,
    )


OPERATIONS = (
    Operation(
        method="GET",
        path="/api/v1/credits/{user_id}",
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
