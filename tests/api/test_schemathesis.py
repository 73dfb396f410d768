"""Whatever is thrown at the API as its own document describes it: no 5xx, no answer that the document does not know."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from api.app import OPERATIONS
from api.openapi import document
from tests.api.process import environment_of, running
from tests.api.reading import catch_up
from tests.api.shop import OPERATOR, PAYMENT, PROJECT
from tests.servers import fresh_database

CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]

described = schemathesis.openapi.from_dict(document(OPERATIONS, url="http://127.0.0.1", version="0"))
described.config.generation.update(with_security_parameters=False)  # The key that is sent is always a good one.


@dataclass(frozen=True)
class Served:
    """A running API, and a project that has a payment to ask for."""

    url: str
    ids: dict[str, str]
    headers: dict[str, str]


@pytest.fixture(scope="module")
def served(migrated_template: str, stripe_address: str) -> Iterator[Served]:
    with fresh_database(migrated_template) as database_url:
        environment = environment_of(database_url, stripe_address)
        url = environment["TILLSTREAM_URL"]
        with running(environment) as process:
            process.wait_until_ready(url)
            project = httpx.post(f"{url}/api/v1/projects", json=PROJECT, headers=OPERATOR).json()
            headers = {"Authorization": f"Bearer {project['secret_key']}"}
            payment = httpx.post(f"{url}/api/v1/payments", json=PAYMENT, headers=headers).json()
            credits = {"user_id": PAYMENT["user_id"], "credit_type": "api", "amount": 5}
            httpx.post(f"{url}/api/v1/credits/grant", json={**credits, "reason": "a gift"}, headers=headers)
            held = httpx.post(f"{url}/api/v1/credits/hold", json=credits, headers=headers).json()
            catch_up(database_url)
            made = (project, payment, held)
            ids = {key: str(answer[key]) for answer in made for key in answer if key.endswith("_id")}
            yield Served(url, {**ids, "user_id": PAYMENT["user_id"]}, headers)


@described.parametrize()
@settings(max_examples=20, deadline=None, database=None, suppress_health_check=list(HealthCheck))
def test_nothing_breaks_the_api_and_nothing_surprises_its_readers(case: Any, served: Served) -> None:
    headers = OPERATOR if case.operation.label == "POST /api/v1/projects" else served.headers
    response = case.call(base_url=served.url, headers=headers)
    case.validate_response(response, checks=[*CHECKS, checks.negative_data_rejection])

    there = {name: served.ids.get(name, value) for name, value in (case.path_parameters or {}).items()}
    if there:
        case.path_parameters = there
        response = case.call(base_url=served.url, headers=headers)
        case.validate_response(response, checks=CHECKS)
