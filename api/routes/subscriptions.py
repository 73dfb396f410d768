"""/api/v1/subscriptions: what customers are subscribed to."""

from starlette.requests import Request
from starlette.responses import Response

from api.answers import shown
from api.authentication import a_project
from api.consistency import caught_up
from api.models.places import UserPlace
from api.models.subscriptions import SubscriptionAnswer, SubscriptionsAnswer
from api.operations import Operation
from api.parsing import parse_place
from api.state import State
from domain.subscription import Status
from projections import subscriptions
from projections.subscriptions import SubscriptionRow

PATH = "/api/v1/subscriptions"


async def show_of_user(request: Request[State]) -> Response:
    """Show what one customer is or was subscribed to, the newest first. A customer who never was has none."""
    caller = await a_project(request)
    user_id = parse_place(UserPlace, request).user_id
    schema = await caught_up(request, subscriptions)
    rows = await subscriptions.of_user(request.state["reads"], schema, caller.project_id, user_id)
    return shown(request, SubscriptionsAnswer(user_id=user_id, subscriptions=[_from_row(row) for row in rows]))


def _from_row(row: SubscriptionRow) -> SubscriptionAnswer:
    return SubscriptionAnswer(
        subscription_id=row.subscription_id,
        product_id=row.product_id,
        status=Status(row.status).value,
        current_period_start=row.current_period_start,
        current_period_end=row.current_period_end,
        payment_type="subscription",
        payment_id=row.payment_id,
        price_id=row.price_id,
        quantity=row.quantity,
        amount=row.amount_minor,
        currency=row.currency,
        interval=row.interval,
        interval_count=row.interval_count,
        trial_end=row.trial_end,
        cancel_at=row.cancel_at,
        ended_at=row.ended_at,
        end_reason=row.end_reason,
        access_until=row.access_until,
        failed_attempts=row.failed_attempts,
        next_attempt_at=row.next_attempt_at,
        started_at=row.started_at,
    )


OPERATIONS = (
    Operation(
        method="GET",
        path=PATH + "/{user_id}",
        endpoint=show_of_user,
        tag="Subscriptions",
        who=("project",),
        place=UserPlace,
        answers={200: SubscriptionsAnswer},
        consistent=True,
    ),
)
