"""The registry over a real socket, asked by stock clients."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext
from starlette.applications import Starlette

from api.routes.registry import routes
from domain.payment.events import PaymentExpired
from schemas import cloudevents, codec
from schemas.contracts import contracts
from schemas.names import EVENTS, name_of, topic_of
from schemas.registry import Registry
from tests.schemas.samples import sample

SUBJECT = "tillstream.payments-tillstream.PaymentExpired"
EXPIRED = 8

# All that another team needs: a stock client, the registry's address and a value.
STRANGER = """
import json, sys
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

url, value = sys.argv[1:]
with SchemaRegistryClient({"url": url}) as client:
    context = SerializationContext("tillstream.payments", MessageField.VALUE)
    print(json.dumps(AvroDeserializer(client)(bytes.fromhex(value), context)))
"""


@pytest.fixture(scope="module")
def service_url() -> Iterator[str]:
    """The address of a server that has nothing but the registry."""
    app = Starlette(routes=routes(Registry(contracts().values(), "tillstream.")))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    listening = server.config.bind_socket()
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def web(service_url: str) -> Iterator[httpx.Client]:
    """Any HTTP client. It follows no redirects, for there are none."""
    with httpx.Client(base_url=f"{service_url}/registry", follow_redirects=False) as client:
        yield client


@pytest.fixture
def stock(service_url: str) -> Iterator[SchemaRegistryClient]:
    """Confluent's own client."""
    with SchemaRegistryClient({"url": f"{service_url}/registry"}) as client:
        yield client


@pytest.mark.parametrize("cls", list(EVENTS.values()), ids=list(EVENTS))
def test_the_stock_deserializer_reads_every_event(cls: type, stock: SchemaRegistryClient) -> None:
    event = sample(cls)
    event_type, (_, value) = name_of(event), codec.encode(event, "key:k")
    context = SerializationContext(f"tillstream.{topic_of(event_type)}", MessageField.VALUE)

    read = AvroDeserializer(stock)(value, context)

    expected = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(event).items()}
    assert read == {"actor": "key:k", **expected}


def test_a_stranger_needs_no_code_of_ours(service_url: str, tmp_path: Path) -> None:
    _, value = codec.encode(PaymentExpired(payment_id="pay_1", reason="nobody paid"), "system:reconciler")
    command = [sys.executable, "-I", "-c", STRANGER, f"{service_url}/registry", value.hex()]

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.stderr == ""
    assert json.loads(done.stdout) == {"actor": "system:reconciler", "payment_id": "pay_1", "reason": "nobody paid"}


def test_the_stock_client_finds_its_way_around(stock: SchemaRegistryClient) -> None:
    record = contracts()[EXPIRED].record

    latest = stock.get_latest_version(SUBJECT)

    assert (latest.schema_id, latest.version, latest.subject) == (EXPIRED, 1, SUBJECT)
    assert json.loads(latest.schema.schema_str or "") == json.loads(record.text)
    assert stock.get_version(SUBJECT, 1) == latest
    assert stock.get_versions(SUBJECT) == [1]
    assert len(stock.get_subjects()) == len(EVENTS)
    assert stock.get_subjects(subject_prefix="tillstream.credits-tillstream.CreditsP") == [
        "tillstream.credits-tillstream.CreditsPurchased"
    ]
    assert stock.get_subjects_by_schema_id(EXPIRED) == [SUBJECT]
    assert [(v.subject, v.version) for v in stock.get_schema_versions(EXPIRED)] == [(SUBJECT, 1)]
    assert stock.get_schema_types() == ["AVRO"]
    assert stock.get_contexts() == ["."]
    assert stock.get_compatibility() == stock.get_compatibility(SUBJECT) == "FULL_TRANSITIVE"
    assert stock.get_mode(SUBJECT) == stock.get_global_mode() == "READONLY"
    assert stock.lookup_schema(SUBJECT, Schema(record.text, "AVRO")).schema_id == EXPIRED


def test_the_stock_client_is_told_what_is_wrong(stock: SchemaRegistryClient) -> None:
    unlike = Schema('{"type": "record", "name": "Other", "fields": []}', "AVRO")

    assert told(lambda: stock.get_schema(4711)) == (404, 40403)
    assert told(lambda: stock.get_latest_version("another")) == (404, 40401)
    assert told(lambda: stock.get_version(SUBJECT, 9)) == (404, 40402)
    assert told(lambda: stock.lookup_schema(SUBJECT, unlike)) == (404, 40403)
    assert told(lambda: stock.lookup_schema("another", unlike)) == (404, 40401)
    assert told(lambda: stock.register_schema(SUBJECT, unlike)) == (405, 405)
    assert told(lambda: stock.set_compatibility(level="NONE")) == (405, 405)
    assert told(lambda: stock.delete_subject(SUBJECT)) == (405, 405)
    assert told(lambda: stock.get_associations_by_resource_name("tillstream.payments", "-")) == (404, 404)


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("", {}),
        ("/", {}),
        ("/schemas/types", ["AVRO"]),
        ("/schemas/types/", ["AVRO"]),
        ("/schemas/ids/8/subjects", [SUBJECT]),
        ("/schemas/ids/8/versions", [{"subject": SUBJECT, "version": 1}]),
        (f"/subjects/{SUBJECT}/versions", [1]),
        (
            "/subjects?subjectPrefix=tillstream.credits-tillstream.CreditsP",
            ["tillstream.credits-tillstream.CreditsPurchased"],
        ),
        ("/config", {"compatibilityLevel": "FULL_TRANSITIVE"}),
        (f"/config/{SUBJECT}?defaultToGlobal=true", {"compatibilityLevel": "FULL_TRANSITIVE"}),
        ("/mode", {"mode": "READONLY"}),
        (f"/mode/{SUBJECT}", {"mode": "READONLY"}),
        ("/contexts", ["."]),
    ],
)
def test_a_path_answers_as_a_registry_does(web: httpx.Client, path: str, answer: Any) -> None:
    response = web.get(path)

    assert (response.status_code, response.json()) == (200, answer)
    assert response.headers["content-type"] == "application/vnd.schemaregistry.v1+json"


@pytest.mark.parametrize("path", ["/schemas/ids/8/schema", f"/subjects/{SUBJECT}/versions/1/schema"])
def test_a_schema_is_to_be_had_as_plain_json(web: httpx.Client, path: str) -> None:
    assert web.get(path).json() == json.loads(contracts()[EXPIRED].record.text)


def test_the_address_in_a_facts_headers_leads_to_its_schema(service_url: str) -> None:
    schema_id, _ = codec.encode(PaymentExpired(payment_id="pay_1", reason="nobody paid"), "key:k")

    assert httpx.get(cloudevents.schema_uri(service_url, schema_id)).json()["name"] == "PaymentExpired"


@pytest.mark.parametrize(
    "query",
    ["subject=of-no-topic", "fetchMaxId=true", "fetchMaxId=False&subject=%3A.%3A", "format=resolved", "deleted=TRUE"],
)
def test_what_clients_add_to_a_query_changes_nothing(web: httpx.Client, query: str) -> None:
    plain = web.get("/schemas/ids/8").json()

    assert web.get(f"/schemas/ids/8?{query}").json() == plain
    assert plain.keys() == {"schema"}


@pytest.mark.parametrize("booleans", ["normalize=False&deleted=false", "normalize=TRUE&deleted=True"])
def test_a_look_up_takes_booleans_in_any_case(web: httpx.Client, booleans: str) -> None:
    body = {"schema": contracts()[EXPIRED].record.text}

    assert web.post(f"/subjects/{SUBJECT}?{booleans}", json=body).json()["id"] == EXPIRED


@pytest.mark.parametrize("accept", ["text/html", "application/vnd.schemaregistry.v1+json, */*;q=0", "image/png"])
def test_no_accept_header_is_refused(web: httpx.Client, accept: str) -> None:
    assert web.get("/schemas/ids/8", headers={"Accept": accept}).status_code == 200


def test_associations_are_not_found(web: httpx.Client) -> None:
    response = web.get("/associations/resources/-/tillstream.payments?resourceType=topic")

    assert (response.status_code, response.json()["error_code"]) == (404, 404)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/schemas/ids/4711", 404, 40403),
        ("/schemas/ids/x/schema", 404, 40403),
        ("/subjects/another/versions", 404, 40401),
        ("/subjects/another/versions/latest", 404, 40401),
        (f"/subjects/{SUBJECT}/versions/9", 404, 40402),
        (f"/subjects/{SUBJECT}/versions/0", 422, 42202),
        (f"/subjects/{SUBJECT}/versions/first", 422, 42202),
        ("/somewhere/else", 404, 404),
        ("/subjects/a%2Fb/versions", 404, 404),
    ],
)
def test_what_is_not_there_is_said_in_the_registrys_own_form(
    web: httpx.Client, path: str, status: int, code: int
) -> None:
    response = web.get(path)

    assert (response.status_code, response.json()["error_code"]) == (status, code)
    assert response.json()["message"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"/subjects/{SUBJECT}/versions"),
        ("DELETE", f"/subjects/{SUBJECT}"),
        ("DELETE", f"/subjects/{SUBJECT}/versions/1"),
        ("PUT", "/config"),
        ("PUT", f"/config/{SUBJECT}"),
        ("DELETE", f"/config/{SUBJECT}"),
        ("PUT", "/mode"),
        ("POST", "/associations"),
        ("POST", ""),
        ("PATCH", "/"),
    ],
)
def test_a_write_is_refused_with_a_sentence(web: httpx.Client, method: str, path: str) -> None:
    response = web.request(method, path, json={})

    assert response.status_code == response.json()["error_code"] == 405
    assert "read only" in response.json()["message"]
    assert response.headers["allow"] == "GET, HEAD"


def told(ask: Any) -> tuple[int, int]:
    with pytest.raises(SchemaRegistryError) as error:
        ask()
    return error.value.http_status_code, error.value.error_code
