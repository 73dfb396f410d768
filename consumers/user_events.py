"""What stands in the topic of the owner of the users: Avro in the Confluent wire format, or JSON, read into our words.

The contract: a type (`ce_type` header, or `type`), an id (`ce_id`, or `id`), and `project_id`, `user_id` (in `data`, or
beside them). `email`, `name` and `phone` are personal; `reason` says why somebody is suspended. Other fields are passed over.
"""

import json
import re
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import fastavro
import httpx

from commands.customers import UserEvent, Word

PERSONAL = ("email", "name", "phone")

_PROJECT_ID = re.compile(r"prj_[0-9a-f]{32}")
_LONGEST_TEXT = 500
_FRAME_BYTES = 5


class UserEventUnreadable(Exception):
    """A record that is no event of a user as the contract has it. No waiting helps: it is passed over, and counted."""


class UserEvents:
    """Reads records. Schemas are asked for once each, at the registry that their owner writes with."""

    def __init__(self, registry_url: str | None) -> None:
        self._registry_url = registry_url
        self._schemas: dict[int, Any] = {}

    def read(self, headers: Mapping[str, str], value: bytes | None, fallback_id: str) -> UserEvent | None:
        """The event in a record; None where its type is none that we act on.

        `fallback_id` names a record without an id: its place in the topic, the same at each delivery. Raises
        `UserEventUnreadable`, and `httpx.HTTPError` where the registry does not answer.
        """
        if not value:
            raise UserEventUnreadable("it has no value")
        content = self._avro(value) if value[0] == 0 else _json(value)
        inner = content.get("data")
        data: Mapping[str, Any] = {**content, **inner} if isinstance(inner, Mapping) else content
        kind = headers.get("ce_type") or content.get("type")
        if kind not in list(Word):
            return None
        event_id = headers.get("ce_id") or content.get("id") or fallback_id
        return UserEvent(
            event_id=_text(event_id, "id"),
            word=Word(kind),
            project_id=_project_id(headers.get("ce_projectid") or data.get("project_id")),
            user_id=_text(data.get("user_id"), "user_id"),
            reason=_text(data.get("reason") or "suspended by the owner of the users", "reason"),
            changed=tuple(sorted(name for name in PERSONAL if data.get(name))),
            personal={name: _text(data[name], name) for name in PERSONAL if data.get(name)},
        )

    def _avro(self, value: bytes) -> Mapping[str, Any]:
        if len(value) <= _FRAME_BYTES:
            raise UserEventUnreadable("it is cut off")
        schema = self._schema(int.from_bytes(value[1:_FRAME_BYTES], "big"))
        try:
            record = fastavro.schemaless_reader(BytesIO(value[_FRAME_BYTES:]), schema, None)
        except Exception as error:  # Whatever rotten bytes lead it to.
            raise UserEventUnreadable(f"its Avro cannot be read: {error!r}") from error
        if not isinstance(record, Mapping):
            raise UserEventUnreadable("its Avro is no record")
        return record

    def _schema(self, schema_id: int) -> Any:
        if schema_id not in self._schemas:
            if self._registry_url is None:
                raise UserEventUnreadable("it is Avro, and USERS_SCHEMA_REGISTRY_URL is not set")
            answer = httpx.get(f"{self._registry_url}/schemas/ids/{schema_id}", timeout=10, trust_env=False)
            if answer.status_code == httpx.codes.NOT_FOUND:
                raise UserEventUnreadable(f"the registry knows no schema {schema_id}")
            answer.raise_for_status()
            self._schemas[schema_id] = fastavro.parse_schema(json.loads(answer.json()["schema"]))
        return self._schemas[schema_id]


def _json(value: bytes) -> Mapping[str, Any]:
    try:
        content = json.loads(value.decode())
    except (ValueError, RecursionError) as error:
        raise UserEventUnreadable("it is neither framed Avro nor JSON in UTF-8") from error
    if not isinstance(content, Mapping):
        raise UserEventUnreadable("it is JSON, but no object")
    return content


def _project_id(value: object) -> str:
    text = _text(value, "project_id")
    if not _PROJECT_ID.fullmatch(text):
        raise UserEventUnreadable("its project_id is none of ours: `prj_` and 32 hexadecimal digits")
    return text


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or not value or len(value) > _LONGEST_TEXT or "\0" in value:
        raise UserEventUnreadable(f"its {name} is not a text of 1 to {_LONGEST_TEXT} characters")
    return value
