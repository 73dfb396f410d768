"""Refusals: why something asked for may not be. Each stream's own stand beside it."""

from collections.abc import Mapping
from typing import Any, Literal

ErrorType = Literal[
    "validation_error",
    "authentication_error",
    "not_found",
    "conflict",
    "idempotency_error",
    "insufficient_funds",
    "payment_gateway_error",
    "rate_limited",
    "system_error",
]

Details = Mapping[str, str | int | None]


class DomainError(Exception):
    """A refusal. The class says what it means, `code` is its stable name on the wire, the message says what to do."""

    type: ErrorType = "conflict"
    code: str = "refused"
    retry_after_seconds: int | None = None  # set where asking again later can help
    replayed: bool = False  # whether this repeats what was refused before

    def __init__(self, message: str, *, param: str | None = None, details: Details | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.details: Details = details or {}

    def as_recorded(self) -> dict[str, Any]:
        """This refusal in JSON values: the arguments with which `Refused` says the same again."""
        return {
            "type": self.type,
            "code": self.code,
            "message": self.message,
            "param": self.param,
            "details": dict(self.details),
        }


class Refused(DomainError):
    """A refusal that was recorded under this command before, raised again word for word."""

    replayed = True

    def __init__(
        self, type: ErrorType, code: str, message: str, *, param: str | None = None, details: Details | None = None
    ) -> None:
        super().__init__(message, param=param, details=details)
        self.type = type
        self.code = code
