"""The topic of the owner of the users, read: framed Avro or JSON, and what is neither is named."""

import json
from io import BytesIO
from typing import Any

import fastavro
import pytest

from commands.customers import UserEvent, Word
from consumers.user_events import UserEvents, UserEventUnreadable

PROJECT = "prj_" + "0" * 32
SUSPENDED = {"type": "user.suspended", "id": "e1", "project_id": PROJECT, "user_id": "u", "reason": "fraud"}
SCHEMA = {
    "type": "record",
    "name": "UserUpdated",
    "fields": [
        {"name": "project_id", "type": "string"},
        {"name": "user_id", "type": "string"},
        {"name": "email", "type": ["null", "string"], "default": None},
    ],
}


def read(value: Any, headers: dict[str, str] | None = None) -> UserEvent | None:
    return UserEvents(None).read(headers or {}, value, "users/0/7")


def test_json_is_read_flat_or_in_an_envelope() -> None:
    enveloped = {
        "type": "user.suspended",
        "id": "e1",
        "data": {k: v for k, v in SUSPENDED.items() if k not in ("type", "id")},
    }

    for content in (SUSPENDED, enveloped):
        event = read(json.dumps(content).encode())

        assert event is not None
        assert (event.word, event.event_id, event.user_id, event.reason) == (Word.SUSPENDED, "e1", "u", "fraud")


def test_avro_is_read_with_the_schema_that_its_registry_has(httpserver_registry: str) -> None:
    written = BytesIO()
    fastavro.schemaless_writer(
        written, fastavro.parse_schema(SCHEMA), {"project_id": PROJECT, "user_id": "u", "email": "ada@example.com"}
    )
    framed = b"\0" + (3).to_bytes(4, "big") + written.getvalue()

    event = UserEvents(httpserver_registry).read({"ce_type": "user.updated", "ce_id": "e2"}, framed, "users/0/7")

    assert event is not None
    assert (event.word, event.changed, event.personal) == (Word.UPDATED, ("email",), {"email": "ada@example.com"})


def test_a_record_without_an_id_is_named_by_its_place() -> None:
    event = read(json.dumps({k: v for k, v in SUSPENDED.items() if k != "id"}).encode())

    assert event is not None
    assert event.event_id == "users/0/7"


def test_other_types_are_passed_over() -> None:
    assert read(json.dumps({**SUSPENDED, "type": "user.logged_in"}).encode()) is None


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (None, "no value"),
        (b"\xff", "neither framed Avro nor JSON"),
        (b"[]", "no object"),
        (b"\0\0", "cut off"),
        (b"\0\0\0\0\1x", "USERS_SCHEMA_REGISTRY_URL is not set"),
        (json.dumps({**SUSPENDED, "user_id": 7}).encode(), "user_id is not a text"),
        (json.dumps({**SUSPENDED, "project_id": "shop"}).encode(), "project_id is none of ours"),
    ],
)
def test_what_is_no_event_of_a_user_is_named(value: Any, sentence: str) -> None:
    with pytest.raises(UserEventUnreadable, match=sentence):
        read(value)


@pytest.fixture
def httpserver_registry() -> Any:
    """A registry that knows one schema, under the id 3."""
    from http.server import BaseHTTPRequestHandler, HTTPServer
    from threading import Thread

    class Registry(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"schema": json.dumps(SCHEMA)}).encode()
            self.send_response(200 if self.path == "/schemas/ids/3" else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Registry)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()
