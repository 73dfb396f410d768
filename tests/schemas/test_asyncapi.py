"""/asyncapi.json: every event with its headers and schema, in a document that AsyncAPI's own parser takes."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from schemas.asyncapi import document
from schemas.contracts import contracts
from schemas.names import EVENTS, topic_of
from schemas.registry import Registry
from tests import toolchains

PARSER = {"@asyncapi/parser": "3.6.6", "@asyncapi/avro-schema-parser": "3.1.0"}

_PARSE = """
import { readFileSync } from "node:fs";
import parsing from "@asyncapi/parser";
import avro from "@asyncapi/avro-schema-parser";
const parser = new parsing.Parser();
parser.registerSchemaParser(avro.AvroSchemaParser());
const { document, diagnostics } = await parser.parse(readFileSync(process.argv[2], "utf8"));
const messages = document ? document.messages().all().map((message) => message.id()) : null;
console.log(JSON.stringify({ messages, problems: diagnostics.filter((found) => found.severity < 2) }));
"""


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return document(Registry(contracts().values(), "tillstream."), url="http://api.test", version="1.2.3")


def test_every_event_stands_in_its_topics_channel(described: dict[str, Any]) -> None:
    for event_type in EVENTS:
        channel = described["channels"][topic_of(event_type)]

        assert channel["address"] == f"tillstream.{topic_of(event_type)}"
        assert channel["messages"][event_type] == {"$ref": f"#/components/messages/{event_type}"}
        message = described["components"]["messages"][event_type]
        assert message["payload"]["schema"]["fields"][0]["name"] == "actor"
        assert message["x-schemas"]


@pytest.mark.timeout(700)
def test_asyncapis_own_parser_finds_nothing_wrong(described: dict[str, Any], tmp_path: Path) -> None:
    installed = toolchains.node_packages(PARSER)
    (installed / "parse.mjs").write_text(_PARSE)
    (tmp_path / "asyncapi.json").write_text(json.dumps(described))

    done = subprocess.run(
        ["node", "parse.mjs", str(tmp_path / "asyncapi.json")],
        cwd=installed,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )

    found = json.loads(done.stdout)
    assert found["problems"] == []
    assert set(found["messages"]) == set(EVENTS)
