"""The SDK's errors in our words: who did not answer, who said no, and what of their message may be shown."""

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager

import stripe

from domain.errors import Details
from gateways.errors import (
    GatewayBusy,
    GatewayKeyMismatch,
    GatewayMisconfigured,
    GatewayRefused,
    GatewayUnavailable,
    PaymentDeclined,
)
from gateways.stripe.paced import retry_after

BUSY_SECONDS = 2

_NEVER_SHOWN = (
    (re.compile(r"[^\s'\"<>(),;:]+@[^\s'\"<>(),;:]+"), "[e-mail address]"),
    (re.compile(r"\b(?:sk|rk|pk|whsec|ek)_[\w*]+"), "[key]"),
    (re.compile(r"\b\d(?:[ -]?\d){12,18}\b"), "[number]"),
)

# Understood and refused: asking again the same way gets the same answer. 409 and 429 are not among them.
_REFUSALS = (stripe.InvalidRequestError,)


@contextmanager
def in_our_words() -> Iterator[None]:
    """Raise an error of `gateways.errors` where the SDK raises something of its own.

    None is chained to what it stems from: the SDK's errors hold the body, and with it what a customer told Stripe.
    """
    try:
        yield
    except TimeoutError:
        raise GatewayUnavailable(
            "Stripe did not answer in time; whether it did what it was asked is not known yet."
        ) from None
    except stripe.APIConnectionError as error:
        raise GatewayUnavailable(
            f"Stripe could not be reached, or the connection broke ({_network_error(error)})."
        ) from None
    except stripe.RateLimitError as error:
        raise GatewayBusy(
            "Stripe is busy with other calls, and did not take this one; ask again in a moment.",
            retry_after_seconds=math.ceil(retry_after(error.headers or {}) or BUSY_SECONDS),
            details=_details(error),
        ) from None
    except stripe.IdempotencyError as error:
        raise GatewayKeyMismatch(_message(error), details=_details(error)) from None
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        raise GatewayMisconfigured(
            "Stripe does not let this service in; an operator must check STRIPE_SECRET_KEY and what it may do.",
            details=_details(error),
        ) from None
    except stripe.CardError as error:
        raise PaymentDeclined(_message(error), details=_details(error)) from None
    except _REFUSALS as error:
        raise GatewayRefused(_message(error), details=_details(error)) from None
    except stripe.StripeError as error:
        raise GatewayUnavailable(
            f"Stripe answered with status {error.http_status} instead of a result.", details=_details(error)
        ) from None


def is_missing(refusal: GatewayRefused) -> bool:
    """Whether what the call named is not there."""
    return refusal.details.get("gateway_code") == "resource_missing" or refusal.details.get("gateway_status") == 404


def shown(message: str) -> str:
    """A message of Stripe's without what it may quote of a person or a secret."""
    for pattern, instead in _NEVER_SHOWN:
        message = pattern.sub(instead, message)
    return message


def _message(error: stripe.StripeError) -> str:
    return f"Stripe refused: {shown(error.user_message or 'it gave no reason')}"


def _details(error: stripe.StripeError) -> Details:
    """What an operator needs to find the call in Stripe's dashboard."""
    told = error.json_body.get("error") if isinstance(error.json_body, dict) else None
    told = told if isinstance(told, dict) else {}
    named = {"gateway_code": told.get("code"), "gateway_param": told.get("param"), "gateway_request": error.request_id}
    texts = {name: value for name, value in named.items() if isinstance(value, str)}
    return {"gateway": "stripe", "gateway_status": error.http_status, **texts}


def _network_error(error: stripe.APIConnectionError) -> str:
    """The name of what httpx met, such as `ConnectError` or `ReadTimeout`."""
    return type(error.__cause__).__name__ if error.__cause__ is not None else type(error).__name__
