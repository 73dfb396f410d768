"""The topics as an AsyncAPI 3.0 document: what stands in them, under which headers, made from the records themselves.

Outside rules followed: AsyncAPI 3.0.0, its Kafka bindings 0.5.0, CloudEvents 1.0 (Kafka protocol binding, binary mode).
"""

from collections.abc import Iterable, Mapping
from typing import Any

from schemas.cloudevents import SOURCE
from schemas.contracts import Contract, newest
from schemas.names import TOPICS, topic_of
from schemas.registry import Registry

Json = dict[str, Any]

_AVRO = "application/vnd.apache.avro+json;version=1.9.0"
_BINDINGS = "0.5.0"

_TEXT: Json = {"type": "string", "minLength": 1}
_NUMBER: Json = {"type": "string", "pattern": "^[1-9][0-9]*$"}
_DIGEST: Json = {"type": "string", "pattern": "^[0-9a-f]{64}$"}

_HEADERS: Mapping[str, Json] = {
    "ce_specversion": {"type": "string", "const": "1.0"},
    "ce_id": {"type": "string", "format": "uuid", "description": "The event's own id, the same wherever it is seen."},
    "ce_type": {**_TEXT, "description": "The event's type, such as payment.succeeded."},
    "ce_source": {"type": "string", "const": SOURCE},
    "ce_time": {"type": "string", "format": "date-time", "description": "When it was recorded, in UTC."},
    "ce_subject": {**_TEXT, "description": "The thing that it is about, such as pay_…: the record's key."},
    "ce_partitionkey": {**_TEXT, "description": "The same as the record's key."},
    "ce_dataschema": {"type": "string", "format": "uri", "description": "Where its Avro schema is served."},
    "ce_projectid": {**_TEXT, "description": "The project whose event it is."},
    "ce_position": {
        **_NUMBER,
        "description": "Its place in the one order of all facts. Keep the last one per partition; drop what is not higher.",
    },
    "ce_streamversion": {**_NUMBER, "description": "Its place among the facts of its subject, from 1 without a gap."},
    "ce_correlationid": {**_TEXT, "description": "The request that began it."},
    "ce_causationid": {**_TEXT, "description": "The command or the gateway's event that caused it."},
    "ce_prevhash": {**_DIGEST, "description": "The hash of the fact at the position before."},
    "ce_hash": {**_DIGEST, "description": "SHA-256 over this fact and the hash before it."},
    "content-type": {"type": "string", "const": "application/avro"},
}


def document(registry: Registry, *, url: str, version: str) -> Json:
    """The whole document. `url` is where the API is reached, without a slash at its end."""
    current = newest(registry.contracts)
    by_topic: dict[str, list[Contract]] = {topic: [] for topic in TOPICS.values()}
    for contract in current.values():
        by_topic[topic_of(contract.record.event_type)].append(contract)
    topics = {topic: found for topic, found in by_topic.items() if found}
    return {
        "asyncapi": "3.0.0",
        "info": _info(version),
        "defaultContentType": "application/avro",
        "servers": {"kafka": _server(url)},
        "channels": {topic: _channel(topic, registry.topic_prefix, found) for topic, found in topics.items()},
        "operations": {f"publish_{topic}": _operation(topic, found) for topic, found in topics.items()},
        "components": {
            "messages": {name: _message(contract, registry, url) for name, contract in current.items()},
            "messageTraits": {"cloudevent": {"headers": {"$ref": "#/components/schemas/headers"}}},
            "schemas": {"headers": {"type": "object", "required": sorted(_HEADERS), "properties": dict(_HEADERS)}},
        },
    }


def _info(version: str) -> Json:
    return {
        "title": "Tillstream events",
        "version": version,
        "description": (
            "Every fact of the payment service: Avro in the Confluent wire format with CloudEvents headers, kept for ever, in"
            " order per key. The one rule for exactly-once: keep the last `ce_position` per partition with your own result,"
            " and drop what is not higher."
        ),
    }


def _server(url: str) -> Json:
    return {
        "host": "{bootstrap}",
        "protocol": "kafka",
        "description": "The company's Kafka cluster.",
        "variables": {"bootstrap": {"description": "Its bootstrap servers: KAFKA_BOOTSTRAP_SERVERS of the publisher."}},
        "bindings": {
            "kafka": {
                "schemaRegistryUrl": f"{url}/registry",
                "schemaRegistryVendor": "confluent",
                "bindingVersion": _BINDINGS,
            }
        },
    }


def _channel(topic: str, prefix: str, contracts: Iterable[Contract]) -> Json:
    return {
        "address": f"{prefix}{topic}",
        "messages": {
            contract.record.event_type: {"$ref": f"#/components/messages/{contract.record.event_type}"}
            for contract in contracts
        },
        "bindings": {
            "kafka": {
                "topic": f"{prefix}{topic}",
                "topicConfiguration": {"cleanup.policy": ["delete"], "retention.ms": -1},
                "bindingVersion": _BINDINGS,
            }
        },
    }


def _operation(topic: str, contracts: Iterable[Contract]) -> Json:
    return {
        "action": "send",
        "summary": f"The publisher, and nobody else, writes to {topic}.",
        "channel": {"$ref": f"#/channels/{topic}"},
        "messages": [{"$ref": f"#/channels/{topic}/messages/{contract.record.event_type}"} for contract in contracts],
    }


def _message(contract: Contract, registry: Registry, url: str) -> Json:
    """The newest version of an event. `x-schemas` says where all versions of it are, for old facts keep theirs."""
    record = contract.record
    versions = [other for other in registry.contracts if other.record.event_type == record.event_type]
    return {
        "name": record.event_type,
        "title": record.schema["name"].rpartition(".")[2],
        "summary": record.schema.get("doc", record.event_type),
        "contentType": "application/avro",
        "traits": [{"$ref": "#/components/messageTraits/cloudevent"}],
        "payload": {"schemaFormat": _AVRO, "schema": registry.plain_schema(str(contract.id))},
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": "The stream's id, the same as ce_subject."},
                "schemaIdLocation": "payload",
                "schemaIdPayloadEncoding": "confluent",
                "schemaLookupStrategy": "TopicRecordNameStrategy",
                "bindingVersion": _BINDINGS,
            }
        },
        "x-schemas": {
            str(other.record.version): f"{url}/registry/schemas/ids/{other.id}/schema"
            for other in sorted(versions, key=lambda other: other.record.version)
        },
    }
