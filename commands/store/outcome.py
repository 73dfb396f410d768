"""What a command came to, as the inbox keeps it: the answer, or the refusal."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from commands.ports import Answer, Context, IdempotencyKeyReused, Receipt
from domain.errors import Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Exactly one of `answer` and `refusal` is there. `versions` holds the streams that the decision saw or wrote."""

    fingerprint: bytes
    answer: Answer | None
    refusal: Mapping[str, Any] | None
    versions: Mapping[str, int]

    @classmethod
    def from_row(cls, fingerprint: bytes, answer: Any, refusal: Any, versions: Any) -> "Outcome":
        """A row of the inbox, its JSON read."""
        return cls(fingerprint=fingerprint, answer=answer, refusal=refusal, versions=versions)

    def as_read(self) -> "Outcome":
        """This outcome as it is read back from the inbox. Raises TypeError for an answer that is not JSON."""
        answer: Answer | None = json.loads(json.dumps(self.answer))
        return replace(self, answer=answer, versions=dict(self.versions))

    def replay(self, context: Context) -> Receipt:
        """Give the same answer again, or refuse again in the same words.

        Raises `Refused`, and `IdempotencyKeyReused` where this context asks for something else than was recorded.
        """
        if self.fingerprint != context.fingerprint:
            raise IdempotencyKeyReused
        if self.refusal is not None:
            raise Refused(**self.refusal)
        assert self.answer is not None, "a command came to an answer or to a refusal"
        return Receipt(self.answer, self.versions, replayed=True)
