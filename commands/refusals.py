"""Refusals that are recorded: so that a retry is refused in the same words, whoever answers it."""

from collections.abc import Mapping
from typing import Any

from commands.ports import Decide, Decided, Receipt, States
from domain.errors import DomainError, Refused


def refusing(refusal: DomainError) -> Decide:
    """A decision that refuses, for what was found out before deciding."""

    def decide(_states: States) -> Decided:
        raise refusal

    return decide


def with_refusal(answer: Mapping[str, Any], refusal: DomainError) -> Mapping[str, Any]:
    """The answer of a commit that has facts to record though the caller is refused."""
    return {**answer, "refusal": refusal.as_recorded()}


def unless_refused(receipt: Receipt) -> Receipt:
    """The receipt; where its answer holds a refusal, that is raised again, each time alike."""
    if "refusal" not in receipt.answer:
        return receipt
    raise Refused(**receipt.answer["refusal"])
