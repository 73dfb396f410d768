"""Payment intents: attempts to pay that were declined."""

from gateways.notices import AttemptDeclined, Irrelevant, Notice
from gateways.stripe.translation.fields import (
    Plain,
    ShapeUnknown,
    optional_object,
    optional_text,
    payment_id,
    reference,
    text,
)


def payment_failed(intent: Plain) -> Notice:
    """`payment_intent.payment_failed`: the newest attempt was declined.

    An intent that carries no payment of ours is another service's, or renews a subscription: its invoice tells of that.
    """
    error = optional_object(intent, "last_payment_error")
    if error is None:
        raise ShapeUnknown(intent, "last_payment_error")
    return Irrelevant() if payment_id(intent) is None else _declined(intent, error)


def last_decline(intent: Plain) -> AttemptDeclined | None:
    """The notice that the newest attempt gave cause for; None where it was not declined."""
    error = optional_object(intent, "last_payment_error")
    return None if error is None or payment_id(intent) is None else _declined(intent, error)


def _declined(intent: Plain, error: Plain) -> AttemptDeclined:
    return AttemptDeclined(
        payment_id=payment_id(intent),
        attempt_id=_attempt_id(intent, error),
        code=optional_text(error, "code") or text(error, "type"),
        decline_code=optional_text(error, "decline_code"),
    )


def _attempt_id(intent: Plain, error: Plain) -> str:
    """One per attempt, the same from every notice of it: its charge, or what was tried where no charge was made.

    Not the intent's `latest_charge`: after a failed 3-D Secure step that is still the charge of the attempt before.
    """
    charge = reference(error, "charge")
    if charge is not None:
        return charge
    tried = reference(error, "payment_method") or reference(error, "source") or text(error, "type")
    return f"{text(intent, 'id')}/{tried}"
