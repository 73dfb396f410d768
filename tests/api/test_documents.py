"""/openapi.json and /docs."""

import json
import tomllib
from pathlib import Path
from typing import Any

import httpx
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import TypeAdapter
from starlette.routing import Route

from api import app as application
from api.models.payments import CancelRequest, PaymentRequest
from api.models.projects import KeyRequest, ProjectChangeRequest, ProjectRequest
from api.operations import Operation
from tests.api.shop import OPERATOR, Shop


@pytest.fixture
async def openapi(client: httpx.AsyncClient) -> Any:
    return (await client.get("/openapi.json")).json()


def test_the_document_is_valid_openapi(openapi: Any) -> None:
    errors = list(OpenAPIV31SpecValidator(openapi).iter_errors())

    assert openapi["openapi"] == "3.1.0"
    assert errors == []


def test_the_document_bears_the_version_of_the_project(openapi: Any) -> None:
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]

    assert openapi["info"]["version"] == project["version"]


async def test_every_path_of_the_api_is_in_the_document(client: httpx.AsyncClient, openapi: Any) -> None:
    around = client._transport.app  # type: ignore[attr-defined]
    served = {
        (method.lower(), route.path_format.replace("{user_id}", "{user_id}"))
        for route in around.app.routes
        if isinstance(route, Route) and route.path.startswith(("/api/", "/checkpoints", "/health", "/metrics"))
        for method in route.methods or ()
        if method not in ("HEAD", "OPTIONS")
    }
    described = {(method, path) for path, methods in openapi["paths"].items() for method in methods}

    assert served == described


def test_every_operation_says_what_it_is_and_who_may(openapi: Any) -> None:
    operations = [operation for methods in openapi["paths"].values() for operation in methods.values()]
    ids = [operation["operationId"] for operation in operations]

    assert len(set(ids)) == len(ids)
    assert all(operation["summary"] for operation in operations)
    for operation in application.OPERATIONS:
        described = openapi["paths"][operation.path][operation.method.lower()]
        assert bool(described.get("security")) == bool(operation.who)
        assert set(described["responses"]) == {str(status) for status in operation.statuses()}


@pytest.mark.parametrize("model", [PaymentRequest, ProjectRequest, ProjectChangeRequest, KeyRequest])
def test_the_examples_are_requests_that_would_be_taken(model: Any, openapi: Any) -> None:
    examples = openapi["components"]["schemas"][model.__name__]["examples"]

    assert examples
    for example in examples:
        assert TypeAdapter(model).validate_python(example)


async def test_the_examples_of_the_document_work_one_after_the_other(client: httpx.AsyncClient, openapi: Any) -> None:
    schemas = openapi["components"]["schemas"]
    project = await client.post("/api/v1/projects", json=schemas["ProjectRequest"]["examples"][0], headers=OPERATOR)
    shop = Shop(client, project.json())

    payment = await shop.pay(schemas["PaymentRequest"]["examples"][0])

    assert (project.status_code, payment.status_code) == (201, 201)


@pytest.mark.parametrize("model", [PaymentRequest, CancelRequest, ProjectRequest])
def test_unknown_fields_are_refused_in_the_document_as_in_the_service(model: Any, openapi: Any) -> None:
    assert openapi["components"]["schemas"][model.__name__]["additionalProperties"] is False


def test_no_operation_answers_what_it_does_not_say() -> None:
    """The lists of statuses are spelled out where they follow from nothing else; this keeps them from being forgotten."""
    for operation in application.OPERATIONS:
        statuses = operation.statuses()
        assert {500, 503} <= set(statuses)
        if "{" in operation.path and "user_id" not in operation.path:
            assert 404 in statuses, operation.path
        if operation.body:
            assert {400, 413, 415, 422} <= set(statuses), operation.path


async def test_the_page_needs_nothing_from_elsewhere(client: httpx.AsyncClient) -> None:
    page = await client.get("/docs")

    assert page.headers["Content-Type"].startswith("text/html")
    assert "//" not in page.text.replace("<!doctype html>", "")
    for line in page.text.splitlines():
        for attribute in ('src="', 'href="'):
            if attribute in line:
                address = line.partition(attribute)[2].partition('"')[0]
                assert (await client.get(address)).status_code == 200, address


async def test_a_missing_file_of_the_page_is_a_typed_404(client: httpx.AsyncClient) -> None:
    for path in ("/docs/assets/nothing.js", "/docs/assets/../../settings.py", "/docs/assets/%00"):
        answer = await client.get(path)
        assert answer.status_code == 404, path
        assert json.loads(answer.content)["error"]["code"] == "route_not_found"


def test_an_operation_that_commands_takes_an_idempotency_key(openapi: Any) -> None:
    def commands(operation: Operation) -> bool:
        parameters = openapi["paths"][operation.path][operation.method.lower()]["parameters"]
        return any(parameter["name"] == "Idempotency-Key" for parameter in parameters)

    assert all(commands(operation) == (operation.method != "GET") for operation in application.OPERATIONS)
