"""The schema registry under `/registry`: open to all readers, and read only."""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

from schemas.registry import Registry, RegistryRefusal

PATH = "/registry"

_READS = ["GET", "HEAD"]
_OTHERS = ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]

Endpoint = Callable[[Request], Awaitable[JSONResponse]]


class RegistryResponse(JSONResponse):
    """The registry's own media type, whatever `Accept` says: stock clients ask for several, and none minds."""

    media_type = "application/vnd.schemaregistry.v1+json"


def routes(registry: Registry) -> list[BaseRoute]:
    """Every path of the read side. There are no redirects: the path is taken with and without a slash at its end."""
    reads: dict[str, Callable[..., Any]] = {
        "": dict,
        "/schemas/types": lambda: ["AVRO"],
        "/schemas/ids/{schema_id}": registry.schema,
        "/schemas/ids/{schema_id}/schema": registry.plain_schema,
        "/schemas/ids/{schema_id}/subjects": registry.subjects_of,
        "/schemas/ids/{schema_id}/versions": registry.versions_of,
        "/subjects/{subject}/versions": registry.versions,
        "/subjects/{subject}/versions/{version}": registry.version,
        "/subjects/{subject}/versions/{version}/schema": registry.plain_version,
        "/config": registry.config,
        "/config/{subject}": registry.config,
        "/mode": registry.mode,
        "/mode/{subject}": registry.mode,
        "/contexts": lambda: ["."],
    }
    return [
        *(Route(PATH + path + slash, _read(answer)) for path, answer in reads.items() for slash in ("", "/")),
        *(Route(f"{PATH}/subjects{slash}", _subjects(registry)) for slash in ("", "/")),
        *(Route(f"{PATH}/subjects/{{subject}}{slash}", _find(registry), methods=["POST"]) for slash in ("", "/")),
        Route(PATH, _refuse_write, methods=_OTHERS),
        Route(f"{PATH}/{{path:path}}", _refuse_write, methods=_OTHERS),
        Route(f"{PATH}/{{path:path}}", _not_found),
    ]


def _read(answer: Callable[..., Any]) -> Endpoint:
    """A GET whose answer depends on its path alone. Queries (`subject=`, `fetchMaxId=`, `normalize=`) change nothing."""

    async def endpoint(request: Request) -> JSONResponse:
        return _respond(lambda: answer(**request.path_params))

    return endpoint


def _subjects(registry: Registry) -> Endpoint:
    async def endpoint(request: Request) -> JSONResponse:
        """GET /registry/subjects?subjectPrefix=…"""
        return _respond(lambda: registry.subjects(request.query_params.get("subjectPrefix", "")))

    return endpoint


def _find(registry: Registry) -> Endpoint:
    async def endpoint(request: Request) -> JSONResponse:
        """POST /registry/subjects/{subject}: a look-up, it writes nothing."""
        body = await request.body()
        return _respond(lambda: registry.find(request.path_params["subject"], body))

    return endpoint


def _respond(answer: Callable[[], Any]) -> JSONResponse:
    try:
        return RegistryResponse(answer())
    except RegistryRefusal as refusal:
        return _error(refusal.status, refusal.code, refusal.message)


async def _not_found(_: Request) -> JSONResponse:
    """Also what `GET /associations/resources/-/{topic}` must get: clients of Python and Node ask it first, and go on."""
    return _error(404, 404, "HTTP 404 Not Found")


async def _refuse_write(_: Request) -> JSONResponse:
    sentence = (
        "This registry is read only: its schemas are files of the payment service, and change with a release of it."
    )
    response = _error(405, 405, sentence)
    response.headers["Allow"] = ", ".join(_READS)
    return response


def _error(status: int, code: int, message: str) -> JSONResponse:
    return RegistryResponse({"error_code": code, "message": message}, status)
