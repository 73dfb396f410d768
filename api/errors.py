"""Refusals on the wire: the status of each type, HTTP's own refusals, and the one shape that every error answer has."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

import structlog
from psycopg import OperationalError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from api.models.errors import ErrorAnswer, ErrorBody
from domain.errors import Details, DomainError, ErrorType
from gateways.errors import SignatureInvalid, WebhookUnreadable
from projections.freshness import ConsistencyTokenMalformed
from runtime import logs

log = structlog.get_logger()

STATUS: Mapping[ErrorType, int] = {
    "validation_error": 422,
    "authentication_error": 401,
    "not_found": 404,
    "conflict": 409,
    "idempotency_error": 422,
    "insufficient_funds": 402,
    "payment_gateway_error": 502,
    "rate_limited": 429,
    "system_error": 503,
}

# Refusals of what is no message at all: of a webhook that nobody signed, of a token that we never gave.
_MALFORMED = (SignatureInvalid, WebhookUnreadable, ConsistencyTokenMalformed)


class HttpRefusal(DomainError):
    """Refused before the domain was asked. Such refusals have a status of their own."""

    status: int


class BodyMalformed(HttpRefusal):
    """The body is not the JSON that it should be."""

    status = 400
    type: ErrorType = "validation_error"
    code = "body_malformed"


class HeaderInvalid(HttpRefusal):
    """A header that this service reads says something it cannot mean."""

    status = 400
    type: ErrorType = "validation_error"
    code = "header_invalid"


class CursorInvalid(HttpRefusal):
    """A cursor that no page of ours has given."""

    status = 400
    type: ErrorType = "validation_error"
    code = "cursor_invalid"

    def __init__(self) -> None:
        super().__init__(
            "This cursor is not one of ours; send `next_cursor` of the page before, or none for the first page.",
            param="cursor",
        )


class PositionInvalid(DomainError):
    """A place in the log that is none of this project's: going on from there could pass events by."""

    type: ErrorType = "validation_error"
    code = "position_invalid"

    def __init__(self, after: int, head: int) -> None:
        problem = f"is past the end of the log, which is at {head}" if after > head else "is no event of this project"
        super().__init__(
            f"Position {after} {problem}; send `next_after` of the last answer, or 0 to begin with the first event.",
            param="after",
        )


class RequestInvalid(DomainError):
    """Well-formed, but not what this route takes. `details` says of each wrong field what is wrong."""

    type: ErrorType = "validation_error"
    code = "request_invalid"

    def __init__(self, message: str, *, param: str | None = None, code: str = code, details: Details | None = None):
        super().__init__(message, param=param, details=details)
        self.code = code


class ContentTypeUnsupported(HttpRefusal):
    """A body that does not say it is JSON."""

    status = 415
    type: ErrorType = "validation_error"
    code = "content_type_unsupported"

    def __init__(self) -> None:
        super().__init__("Send the body as JSON, with the header `Content-Type: application/json`.")


class BodyTooLarge(HttpRefusal):
    """More bytes than this route reads."""

    status = 413
    type: ErrorType = "validation_error"
    code = "body_too_large"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"The body is longer than {limit_bytes} bytes; send less.", details={"limit": limit_bytes})


class KeyMissing(DomainError):
    """Nobody we know is asking."""

    type: ErrorType = "authentication_error"
    code = "key_invalid"

    def __init__(self) -> None:
        super().__init__(
            "Send a key that is in force as `Authorization: Bearer sk_…`; the operator can issue one for your project."
        )


class NotPermitted(HttpRefusal):
    """The key is good, but not for this."""

    status = 403
    type: ErrorType = "authentication_error"
    code = "not_permitted"


class RouteUnknown(HttpRefusal):
    """Nothing is served at this path."""

    status = 404
    type: ErrorType = "not_found"
    code = "route_not_found"

    def __init__(self) -> None:
        super().__init__("Nothing is served at this path; /openapi.json lists every path there is.")


class MethodNotAllowed(HttpRefusal):
    """The path is served, but not with this method."""

    status = 405
    type: ErrorType = "validation_error"
    code = "method_not_allowed"

    def __init__(self) -> None:
        super().__init__("This path does not take this method; the header `Allow` names those that it takes.")


class TimedOut(DomainError):
    """It took longer than a caller would wait."""

    type: ErrorType = "system_error"
    code = "timed_out"
    retry_after_seconds = 2

    def __init__(self) -> None:
        super().__init__("This took too long; ask again in a moment with the same Idempotency-Key.")


class NotReady(DomainError):
    """The database is not in the shape that this version of the code needs."""

    type: ErrorType = "system_error"
    code = "not_ready"
    retry_after_seconds = 5

    def __init__(self, missing: Sequence[str]) -> None:
        super().__init__(
            "The database lacks migrations; run `python -m migrations up`.", details={"missing": ", ".join(missing)}
        )


class DatabaseUnavailable(DomainError):
    """Postgres does not answer."""

    type: ErrorType = "system_error"
    code = "database_unavailable"
    retry_after_seconds = 2

    def __init__(self) -> None:
        super().__init__("The database does not answer; ask again in a moment with the same Idempotency-Key.")


class Unexpected(HttpRefusal):
    """A mistake of ours. The log has its traceback under the request's id."""

    status = 500
    type: ErrorType = "system_error"
    code = "unexpected"

    def __init__(self) -> None:
        super().__init__("Something went wrong on our side; ask again with the same Idempotency-Key, or report the id.")


def status_of(error: DomainError) -> int:
    if isinstance(error, HttpRefusal):
        return error.status
    if isinstance(error, _MALFORMED):
        return HTTPStatus.BAD_REQUEST
    return STATUS[error.type]


def error_answer(error: DomainError, request_id: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """An error as every caller gets it, with the headers that belong to it."""
    logs.bind(error_code=error.code)
    body = ErrorAnswer(
        error=ErrorBody(
            type=error.type,
            code=error.code,
            message=error.message,
            param=error.param,
            details=dict(error.details),
            retry_after=error.retry_after_seconds,
            request_id=request_id,
        )
    )
    return JSONResponse(body.model_dump(), status_of(error), {**_headers(error), **(headers or {})})


def _headers(error: DomainError) -> dict[str, str]:
    headers = {}
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(error.retry_after_seconds)
    if error.replayed:
        headers["Idempotent-Replayed"] = "true"
    if status_of(error) == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="tillstream"'
    return headers


def answer_to(error: Exception, request_id: str) -> Response:
    """What a caller is told whose request ended with this. A mistake of ours leaves its traceback in the log."""
    match error:
        case DomainError():
            return error_answer(error, request_id)
        case HTTPException():  # The router's own refusals (404, 405), in our shape.
            refusals: dict[int, HttpRefusal] = {404: RouteUnknown(), 405: MethodNotAllowed()}
            return error_answer(refusals.get(error.status_code, Unexpected()), request_id, error.headers)
        case OperationalError():  # Whatever read or wrote without a word of its own for a Postgres that does not answer.
            log.warning("postgres does not answer", reason=str(error))
            return error_answer(DatabaseUnavailable(), request_id)
        case _:
            log.error("unexpected error", exc_info=error)
            return error_answer(Unexpected(), request_id)
