"""The OpenAPI 3.1 document, made from the operations and from the very models that check requests."""

import inspect
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from api.models.errors import ErrorAnswer
from api.operations import Operation, Who

Json = dict[str, Any]
Model = type[BaseModel]

_INTRODUCTION = """\
One payment service for all of a company's projects.

Amounts are whole numbers in a currency's minor units, times are RFC 3339 in UTC, unknown fields are refused. Every
answer carries `Request-Id`; every error has the same shape. Send an `Idempotency-Key` with whatever changes something:
the same key and body give the same answer, however often they are sent. A command's answer carries a
`Consistency-Token`; a read that sends it back waits until it can show what the command did.
"""

_SECURITY: Mapping[Who, tuple[str, str]] = {
    "operator": ("operatorToken", "The operator's token, as the service was started with."),
    "project": ("secretKey", "A project's secret key, `sk_…`: for servers only."),
    "page": ("publishableKey", "A project's publishable key, `pk_…`: starts checkouts from the project's own pages."),
}

_HEADERS: Mapping[str, str] = {
    "Request-Id": "What this request is called in logs, facts and errors.",
    "Consistency-Token": "Every stream that was changed, with its version; send it with a read to see the change.",
    "Idempotent-Replayed": "`true` where this answer was given before.",
    "ETag": "The version that is shown; send it back as `If-None-Match`.",
    "Read-Model-Parked": "`true` where some of the project's changes are not shown: they could not be taken in, and an operator"
    " is to see to it. Everything else is up to date.",
    "As-Of-Position": "Where `as_of` was given: up to which position everything is shown, and nothing later.",
    "Retry-After": "Seconds after which to ask again.",
}


def document(operations: Sequence[Operation], *, url: str, version: str) -> Json:
    """The whole document, ready to be sent as JSON."""
    schemas = _Schemas(operations)
    paths: dict[str, Json] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tillstream", "version": version, "description": _INTRODUCTION},
        "servers": [{"url": url}],
        "paths": paths,
        "components": {
            "schemas": schemas.definitions,
            "securitySchemes": {
                name: {"type": "http", "scheme": "bearer", "description": text} for name, text in _SECURITY.values()
            },
            "headers": {name: {"description": text, "schema": {"type": "string"}} for name, text in _HEADERS.items()},
        },
    }


class _Schemas:
    """The JSON Schemas of all models, named once each."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        wanted: dict[tuple[Model, JsonSchemaMode], None] = {(ErrorAnswer, "serialization"): None}
        for operation in operations:
            if operation.body:
                wanted[operation.body, "validation"] = None
            for model in operation.answers.values():
                if model:
                    wanted[model, "serialization"] = None
        self._references, definitions = models_json_schema(list(wanted), ref_template="#/components/schemas/{model}")
        self.definitions: Json = definitions.get("$defs", {})

    def sent(self, model: Model) -> Json:
        return self._references[model, "validation"]

    def shown(self, model: Model) -> Json:
        return self._references[model, "serialization"]


def _operation(operation: Operation, schemas: _Schemas) -> Json:
    summary, _, description = inspect.cleandoc(operation.endpoint.__doc__ or "").partition("\n")
    described: Json = {
        "operationId": _operation_id(operation),
        "summary": summary.rstrip("."),
        "tags": [operation.tag],
        "parameters": _parameters(operation),
        "responses": {str(status): _response(operation, status, schemas) for status in operation.statuses()},
    }
    if description.strip():
        described["description"] = description.strip()
    if operation.body:
        described["requestBody"] = {
            "required": operation.body_required,
            "content": {"application/json": _content(operation.body, schemas)},
        }
    if operation.who:
        described["security"] = [{_SECURITY[who][0]: []} for who in operation.who]
    return described


def _content(body: Model, schemas: _Schemas) -> Json:
    """The model's examples stand here too: viewers of before OpenAPI 3.1 do not look for them in schemas."""
    examples = enumerate(schemas.definitions[body.__name__].get("examples", ()), start=1)
    described: Json = {"schema": schemas.sent(body)}
    if named := {f"example {number}": {"value": example} for number, example in examples}:
        described["examples"] = named
    return described


def _operation_id(operation: Operation) -> str:
    words = [word.strip("{}") for word in operation.path.removeprefix("/api/v1").split("/") if word]
    return "_".join([operation.method.lower(), *words]).replace(".", "_")


def _parameters(operation: Operation) -> list[Json]:
    found = [*_fields(operation.place, "path"), *_fields(operation.query, "query")]
    if "project" in operation.who:
        found.append(_header("X-Project-ID", "The key's project, as a check.", r"^prj_[0-9a-f]{32}$"))
    if operation.commands:
        found.append(_header("Idempotency-Key", "Makes this happen once, however often it is sent.", r"^[ -~]{1,255}$"))
    if operation.consistent:
        found.append(_header("Consistency-Token", "As a command gave it: wait until its changes can be seen."))
    return found


def _fields(model: Model | None, where: str) -> Iterable[Json]:
    if model is None:
        return
    schema = model.model_json_schema()
    for name, field in schema["properties"].items():
        described: Json = {"name": name, "in": where, "required": name in schema.get("required", ()), "schema": field}
        if "description" in field:
            described["description"] = field["description"]
        yield described


def _header(name: str, description: str, pattern: str | None = None) -> Json:
    schema: Json = {"type": "string"} if pattern is None else {"type": "string", "pattern": pattern}
    return {"name": name, "in": "header", "required": False, "description": description, "schema": schema}


def _response(operation: Operation, status: int, schemas: _Schemas) -> Json:
    described: Json = {
        "description": HTTPStatus(status).phrase,
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in _headers(operation, status)},
    }
    model = operation.answers.get(status, ErrorAnswer)
    if model is not None:
        described["content"] = {"application/json": {"schema": schemas.shown(model)}}
    elif status == HTTPStatus.OK:
        described["content"] = {"text/plain": {"schema": {"type": "string"}}}
    return described


def _headers(operation: Operation, status: int) -> list[str]:
    names = ["Request-Id"]
    if operation.commands:
        names.append("Idempotent-Replayed")
        if status in operation.answers:
            names.append("Consistency-Token")
    elif status in operation.answers and 304 in operation.answers:
        names.append("ETag")
    if status in operation.answers and operation.consistent:
        names.append("Read-Model-Parked")
    if status in operation.answers and operation.query and "as_of" in operation.query.model_fields:
        names.append("As-Of-Position")
    if status in (409, 429, 502, 503):
        names.append("Retry-After")
    return names
