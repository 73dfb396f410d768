"""Whether Stripe has signed a webhook, and lately: its v1 scheme over the raw bytes, with any of several secrets.

The SDK's own check takes one secret only, and lets timestamps of the far future pass.
Scheme: docs.stripe.com/webhooks#verify-manually. While a secret is rolled, a header holds one v1 per live secret.
"""

import hmac
from collections.abc import Sequence

from gateways.errors import SignatureInvalid

TOLERANCE_SECONDS = 300  # Both ways: the longest that a clock may be wrong, and a captured webhook be sent again.
_LONGEST_HEADER = 4096
_LONGEST_TIMESTAMP = 12


def verify(body: bytes, header: str, secrets: Sequence[str], now: float) -> None:
    """Return if one of the secrets signed these bytes within `TOLERANCE_SECONDS` of `now` (Unix time).

    Raises `SignatureInvalid`. Empty secrets sign nothing; schemes other than v1 prove nothing.
    """
    timestamp, signatures = _parsed(header)
    keys = [secret.strip().encode() for secret in secrets if secret.strip()]
    expected = [hmac.new(key, timestamp.encode() + b"." + body, "sha256").hexdigest().encode() for key in keys]
    if not any(hmac.compare_digest(ours, theirs) for ours in expected for theirs in signatures):
        raise SignatureInvalid(
            "No signature of this webhook was made with a secret of this endpoint, over exactly these bytes;"
            " check STRIPE_WEBHOOK_SECRET, and that nothing between Stripe and here rewrites the body."
        )
    age_seconds = now - int(timestamp)
    if abs(age_seconds) > TOLERANCE_SECONDS:
        raise SignatureInvalid(
            f"This webhook was signed {abs(age_seconds):.0f} seconds {'ago' if age_seconds > 0 else 'ahead of now'},"
            f" more than the {TOLERANCE_SECONDS} that are allowed; check this machine's clock."
        )


def secrets_of(text: str) -> tuple[str, ...]:
    """The secrets in a setting that holds one or several, separated by commas."""
    return tuple(secret.strip() for secret in text.split(",") if secret.strip())


def _parsed(header: str) -> tuple[str, list[bytes]]:
    """The timestamp, digits as they were signed, and every v1 signature."""
    if not header:
        raise SignatureInvalid("This webhook has no Stripe-Signature header: Stripe signs all it sends.")
    items = [item.strip().partition("=") for item in header[:_LONGEST_HEADER].split(",")]
    timestamps = [value for name, _, value in items if name == "t"]
    signatures = [value.encode(errors="replace") for name, _, value in items if name == "v1"]
    if len(timestamps) != 1 or not _is_timestamp(timestamps[0]) or not signatures:
        raise SignatureInvalid("The Stripe-Signature header is not of the form `t=<seconds>,v1=<hex>`.")
    return timestamps[0], signatures


def _is_timestamp(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _LONGEST_TIMESTAMP
