"""Stripe's webhooks: verified, kept, answered; then applied, while nobody waits."""

from datetime import UTC, datetime

import structlog
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from api.state import State
from commands.notices import Kept, apply, context_of, keep
from gateways.errors import GatewayBusy, NoticeUnmatched
from gateways.notices import Delivery

log = structlog.get_logger()


async def receive(request: Request[State]) -> JSONResponse:
    """POST /webhooks/stripe. 200 once the event is durable; what it means is recorded right after, or by the reconciler."""
    state = request.state
    delivery = state["gateway"].read_webhook(await request.body(), request.headers.get("stripe-signature", ""))
    kept = await keep(
        delivery, state["gateway"].name, datetime.now(UTC), state["store"], state["vault"], state["notices"]
    )
    task = BackgroundTask(_apply, request, delivery, kept)
    return JSONResponse({"received": True}, background=task)


async def _apply(request: Request[State], delivery: Delivery, kept: Kept) -> None:
    """Whatever goes wrong here, the notice is kept: the reconciler tries again."""
    state = request.state
    context = context_of(kept, state["request_id"], datetime.now(UTC))
    try:
        outcome = await apply(
            delivery, kept, context, state["store"], state["patient_gateway"], state["open_requests"], state["notices"]
        )
        log.info("notice", outcome=outcome, event_type=kept.event_type, event_id=kept.event_id)
    except (NoticeUnmatched, GatewayBusy):
        log.info("notice", outcome="waits", event_type=kept.event_type, event_id=kept.event_id)
    except Exception:
        log.exception("notice_left_to_the_reconciler", event_type=kept.event_type, event_id=kept.event_id)


ROUTES = [Route("/webhooks/stripe", receive, methods=["POST"])]
