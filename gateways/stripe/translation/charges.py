"""Charges: single takings of money, which may go back."""

from gateways.notices import ChargeRefunded
from gateways.stripe.translation.fields import Plain, payment_id, reference, text, whole


def refunded(charge: Plain) -> ChargeRefunded:
    """`charge.refunded`: a sum over all refunds. Older generations list them with it; later ones do not, so nobody reads it."""
    return ChargeRefunded(
        charge_id=text(charge, "id"),
        gateway_payment_id=reference(charge, "payment_intent"),
        payment_id=payment_id(charge),
        refunded_minor=whole(charge, "amount_refunded"),
    )
