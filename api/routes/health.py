"""/health and /metrics: whether the process lives, whether it can work, and its figures."""

from prometheus_client import CONTENT_TYPE_LATEST, Gauge, generate_latest
from psycopg import OperationalError
from psycopg.errors import UndefinedTable
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

import migrations
from api.errors import NotReady
from api.models.health import HealthAnswer
from api.operations import Operation
from api.state import State

UNPUBLISHED = Gauge("tillstream_unpublished_facts", "Facts that are recorded and not yet acknowledged by Kafka.")
UNPUBLISHED_SECONDS = Gauge("tillstream_unpublished_seconds", "How long the oldest of them has waited.")

_POSTGRES_TIMEOUT_SECONDS = 2.0
_APPLIED = "SELECT migration_id FROM _yoyo_migration"
_LAG = """
    WITH waiting AS (
        SELECT stream, version FROM store.outbox
        UNION ALL
        SELECT p.stream, p.version FROM store.positions p JOIN store.publisher ON p.position > published
    )
    SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(e.recorded_at)), 0)
      FROM waiting JOIN store.events e USING (stream, version)
"""


async def live(_request: Request[State]) -> Response:
    """Whether the process answers at all."""
    return JSONResponse({"status": "ok"})


async def ready(request: Request[State]) -> Response:
    """Whether it can work: Postgres answers, and every migration was applied."""
    missing = migrations.ids() - await _applied(request)
    if missing:
        raise NotReady(sorted(missing))
    return JSONResponse({"status": "ok"})


async def metrics(request: Request[State]) -> Response:
    """Figures in the Prometheus text format. While Postgres does not answer, how far Kafka is behind stands at NaN."""
    facts, seconds = await _lag(request)
    UNPUBLISHED.set(facts)
    UNPUBLISHED_SECONDS.set(seconds)
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


async def _applied(request: Request[State]) -> set[str]:
    async with request.state["reads"].connection(timeout=_POSTGRES_TIMEOUT_SECONDS) as connection:
        try:
            return {row[0] for row in await (await connection.execute(_APPLIED)).fetchall()}
        except UndefinedTable:
            return set()


async def _lag(request: Request[State]) -> tuple[float, float]:
    try:
        async with request.state["reads"].connection(timeout=_POSTGRES_TIMEOUT_SECONDS) as connection:
            row = await (await connection.execute(_LAG)).fetchone()
    except OperationalError:
        return float("nan"), float("nan")
    assert row is not None, "an aggregate has a row"
    return row[0], float(row[1])


OPERATIONS = (
    Operation(method="GET", path="/health/live", endpoint=live, tag="Health", answers={200: HealthAnswer}),
    Operation(method="GET", path="/health/ready", endpoint=ready, tag="Health", answers={200: HealthAnswer}),
    Operation(method="GET", path="/metrics", endpoint=metrics, tag="Health", answers={200: None}),
)
