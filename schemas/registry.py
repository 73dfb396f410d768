"""What a Confluent Schema Registry answers about our records: its read side, from the files alone.

A stock deserializer in any language needs nothing else. Subjects are named by TopicRecordNameStrategy:
`tillstream.payments-tillstream.PaymentSucceeded`. Error codes are those of Confluent's API reference.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import fastavro

from schemas.contracts import Contract, meaning
from schemas.names import topic_of

COMPATIBILITY = "FULL_TRANSITIVE"
ALL_CONTEXTS = ":*:"  # What clients put before a subject prefix to mean every context; we have the default one only.


class RegistryRefusal(Exception):
    """An answer that is an error: its HTTP status, the registry's error code and a sentence."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


class Registry:
    """Every answer is plain JSON data. `topic_prefix` is what the broker's topics have before their logical names."""

    def __init__(self, contracts: Iterable[Contract], topic_prefix: str) -> None:
        self.topic_prefix = topic_prefix
        self._contracts = {contract.id: contract for contract in contracts}
        self._subjects: dict[str, dict[int, Contract]] = {}
        for contract in sorted(self._contracts.values(), key=lambda contract: contract.record.version):
            self._subjects.setdefault(self._subject(contract), {})[contract.record.version] = contract

    @property
    def contracts(self) -> Sequence[Contract]:
        """Every version of every record, in order of id."""
        return [self._contracts[id] for id in sorted(self._contracts)]

    def schema(self, schema_id: str) -> Mapping[str, str]:
        """`{"schema": "…"}`. There is no `schemaType`: that means Avro, and a null would break clients."""
        return {"schema": _text(self._contract(schema_id))}

    def plain_schema(self, schema_id: str) -> Any:
        """The schema itself."""
        return json.loads(self._contract(schema_id).record.text)

    def subjects_of(self, schema_id: str) -> Sequence[str]:
        return [self._subject(self._contract(schema_id))]

    def versions_of(self, schema_id: str) -> Sequence[Mapping[str, Any]]:
        contract = self._contract(schema_id)
        return [{"subject": self._subject(contract), "version": contract.record.version}]

    def subjects(self, prefix: str = "") -> Sequence[str]:
        wanted = prefix.removeprefix(ALL_CONTEXTS)
        return sorted(subject for subject in self._subjects if subject.startswith(wanted))

    def versions(self, subject: str) -> Sequence[int]:
        return list(self._versions(subject))

    def version(self, subject: str, version: str) -> Mapping[str, Any]:
        """`{"subject", "version", "id", "schema"}`; `version` is a number from 1, or `latest` (also spelled -1)."""
        return self._described(self._version(subject, version))

    def plain_version(self, subject: str, version: str) -> Any:
        """The schema itself."""
        return json.loads(self._version(subject, version).record.text)

    def find(self, subject: str, body: bytes) -> Mapping[str, Any]:
        """The version of a subject that means the same as the schema in `body` (`{"schema": "…"}`), whatever its spelling."""
        versions = self._versions(subject)
        wanted = _meaning_of(body)
        for contract in versions.values():
            if meaning(contract.record.schema) == wanted:
                return self._described(contract)
        raise RegistryRefusal(404, 40403, f"Schema not found under subject '{subject}'.")

    def config(self, subject: str | None = None) -> Mapping[str, str]:
        if subject is not None:
            self._versions(subject)
        return {"compatibilityLevel": COMPATIBILITY}

    def mode(self, subject: str | None = None) -> Mapping[str, str]:
        if subject is not None:
            self._versions(subject)
        return {"mode": "READONLY"}

    def _subject(self, contract: Contract) -> str:
        return f"{self.topic_prefix}{topic_of(contract.record.event_type)}-{contract.record.name}"

    def _contract(self, schema_id: str) -> Contract:
        number = _number(schema_id)
        if number not in self._contracts:
            raise RegistryRefusal(404, 40403, f"Schema {schema_id} not found.")
        return self._contracts[number]

    def _versions(self, subject: str) -> Mapping[int, Contract]:
        if subject not in self._subjects:
            raise RegistryRefusal(404, 40401, f"Subject '{subject}' not found.")
        return self._subjects[subject]

    def _version(self, subject: str, version: str) -> Contract:
        versions = self._versions(subject)
        number = max(versions) if version in ("latest", "-1") else _number(version)
        if number < 1:
            raise RegistryRefusal(422, 42202, f"The version '{version}' is neither a number from 1 nor \"latest\".")
        if number not in versions:
            raise RegistryRefusal(404, 40402, f"Version {version} not found.")
        return versions[number]

    def _described(self, contract: Contract) -> Mapping[str, Any]:
        return {
            "subject": self._subject(contract),
            "version": contract.record.version,
            "id": contract.id,
            "schema": _text(contract),
        }


def _text(contract: Contract) -> str:
    """The schema as one line, as registries keep it."""
    return json.dumps(json.loads(contract.record.text), separators=(",", ":"), ensure_ascii=False)


def _number(text: str) -> int:
    """A positive 32-bit number in ASCII digits; 0 for whatever is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 10 else 0


def _meaning_of(body: bytes) -> Any:
    """What the schema in a look-up's body means. None where it is of a kind that we have nothing of."""
    try:
        asked = json.loads(body)
        if asked.get("schemaType") not in (None, "AVRO"):
            return None
        return meaning(fastavro.parse_schema(json.loads(asked["schema"])))
    except Exception as error:  # Rubbish leads json and fastavro to errors of every sort, RecursionError among them.
        raise RegistryRefusal(
            422, 42201, 'Invalid schema: send {"schema": "…"} with an Avro schema as text.'
        ) from error
