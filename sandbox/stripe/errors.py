"""What Stripe answers instead of what was asked for: each refusal with its status, type, code and sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class StripeRefusal(Exception):
    """An answer in Stripe's error shape.

    `stands` says that the call was carried out before it was refused (a decline, a state that forbids it):
    what it changed is kept, and the idempotency layer remembers the answer. Any other refusal leaves no trace.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        stands: bool = False,
        headers: Mapping[str, str] | None = None,
        **details: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.stands = stands
        self.headers = dict(headers or {})
        self.error: dict[str, Any] = {"type": type, "message": message, **details}
        if code is not None:
            self.error |= {"code": code, "doc_url": f"https://docs.stripe.com/error-codes#{code.replace('_', '-')}"}
        if param is not None:
            self.error["param"] = param

    @property
    def body(self) -> dict[str, Any]:
        return {"error": self.error}


def parameter_missing(param: str) -> StripeRefusal:
    return StripeRefusal(400, f"Missing required param: {param}.", code="parameter_missing", param=param)


def parameter_unknown(param: str) -> StripeRefusal:
    return StripeRefusal(400, f"Received unknown parameter: {param}", code="parameter_unknown", param=param)


def parameter_empty(param: str) -> StripeRefusal:
    message = (
        f"You passed an empty string for '{param}'. We assume empty values are an attempt to unset a parameter; "
        f"however '{param}' cannot be unset. You should remove '{param}' from your request or supply a non-empty value."
    )
    return StripeRefusal(400, message, code="parameter_invalid_empty", param=param)


def parameter_invalid(message: str, param: str, code: str | None = None) -> StripeRefusal:
    return StripeRefusal(400, message, code=code, param=param)


def no_such(kind: str, id: str, *, param: str = "id", status: int = 404) -> StripeRefusal:
    """404 when the id stands in the address, 400 when it stands in a parameter."""
    return StripeRefusal(status, f"No such {kind}: '{id}'", code="resource_missing", param=param)


def wrong_state(message: str, code: str | None = None, **details: Any) -> StripeRefusal:
    return StripeRefusal(400, message, code=code, stands=True, **details)


def unauthenticated(message: str) -> StripeRefusal:
    return StripeRefusal(401, message, headers={"WWW-Authenticate": 'Bearer realm="Stripe"'})


def unknown_address(method: str, path: str) -> StripeRefusal:
    message = (
        f"Unrecognized request URL ({method}: {path}). If you are trying to list objects, remove the trailing slash. "
        "If you are trying to retrieve an object, make sure you passed a valid (non-empty) identifier in your code."
    )
    return StripeRefusal(404, message)


def key_reused_with_other_parameters(key: str) -> StripeRefusal:
    message = (
        "Keys for idempotent requests can only be used with the same parameters they were first used with. "
        f"Try using a key other than '{key}' if you meant to execute a different request."
    )
    return StripeRefusal(400, message, type="idempotency_error")


def key_reused_at_other_endpoint(key: str, now: str, before: str) -> StripeRefusal:
    message = (
        "Keys for idempotent requests can only be used for the same endpoint they were first used for "
        f"('{now}' vs '{before}'). Try using a key other than '{key}' if you meant to execute a different request."
    )
    return StripeRefusal(400, message, type="idempotency_error")


def key_in_use(key: str) -> StripeRefusal:
    message = (
        f"There is currently another in-progress request using this Idempotent Key ({key}) (that probably means you "
        "submitted twice, and the other request is still going through). Please try again later."
    )
    return StripeRefusal(409, message, code="idempotency_key_in_use")


def rate_limited() -> StripeRefusal:
    """The SDK does not retry this one: Stripe sends neither `Retry-After` nor `stripe-should-retry` with it."""
    message = "Request rate limit exceeded. Learn more about rate limits here https://docs.stripe.com/rate-limits."
    return StripeRefusal(429, message, code="rate_limit")


def locked() -> StripeRefusal:
    """The SDK retries this one, because Stripe asks for it in a header."""
    message = (
        "This object cannot be accessed right now because another API request or Stripe process is currently "
        "accessing it. If you see this error intermittently, retry the request. If you see this error frequently and "
        "are making multiple concurrent requests to a single object, make your requests serially or at a lower rate."
    )
    return StripeRefusal(429, message, code="lock_timeout", headers={"stripe-should-retry": "true"})


def advancing(clock: str) -> StripeRefusal:
    message = f"Test clock advancement underway - cannot perform modifications on objects of {clock} until it is ready."
    return StripeRefusal(429, message, code="lock_timeout", headers={"stripe-should-retry": "true"})


def broken() -> StripeRefusal:
    message = "An unknown error occurred. Please try again, or contact support if the problem goes on."
    return StripeRefusal(500, message, type="api_error", stands=True)


def card_refused(message: str, code: str, *, decline_code: str | None = None, **details: Any) -> StripeRefusal:
    """402: the card, or the person holding it, did not do what was needed."""
    if decline_code is not None:
        details["decline_code"] = decline_code
    return StripeRefusal(402, message, type="card_error", code=code, stands=True, **details)
