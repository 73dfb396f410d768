"""Invoices of subscriptions: paid, not paid yet, or no longer due, as every generation of the API tells of them.

Since 2025-03-31.basil an invoice names its subscription under `parent`, its lines their prices under `pricing`, and the
payment only in a list that must be asked for.
"""

from domain.subscription import Invoice, Line
from gateways.notices import InvoiceClosed, InvoiceFailed, InvoicePaid, InvoiceUnconfirmed, Irrelevant, Notice
from gateways.stripe.translation.fields import (
    Plain,
    ShapeUnknown,
    inner,
    listed,
    moment,
    optional_moment,
    optional_text,
    optional_whole,
    payment_id,
    reference,
    text,
    whole,
)


def paid(invoice: Plain) -> Notice:
    """`invoice.paid`. `payments` is expanded where the gateway was asked for it."""
    subscription = subscription_id(invoice)
    if subscription is None:
        return Irrelevant()  # Somebody was billed for something else.
    return InvoicePaid(
        gateway_subscription_id=subscription,
        payment_id=payment_id(invoice),
        invoice=_invoice(invoice, whole(invoice, "amount_paid")),
        gateway_payment_id=_gateway_payment_id(invoice),
    )


def payment_failed(invoice: Plain) -> Notice:
    """`invoice.payment_failed`: once for each attempt. Its payment intent is expanded where the gateway was asked for it."""
    subscription = subscription_id(invoice)
    if subscription is None:
        return Irrelevant()
    return InvoiceFailed(
        gateway_subscription_id=subscription,
        payment_id=payment_id(invoice),
        invoice=_invoice(invoice, whole(invoice, "amount_due")),
        attempt=whole(invoice, "attempt_count"),
        retry_at=optional_moment(invoice, "next_payment_attempt"),
        awaits_customer=_awaits_customer(invoice),
    )


def payment_action_required(invoice: Plain) -> Notice:
    """`invoice.payment_action_required`. It may be written before the attempt is counted, so it cannot say which that is."""
    subscription = subscription_id(invoice)
    if subscription is None:
        return Irrelevant()
    return InvoiceUnconfirmed(
        gateway_subscription_id=subscription, payment_id=payment_id(invoice), invoice_id=text(invoice, "id")
    )


def closed(invoice: Plain) -> Notice:
    """`invoice.voided` and `invoice.marked_uncollectible`: it is not tried again."""
    subscription = subscription_id(invoice)
    if subscription is None:
        return Irrelevant()
    return InvoiceClosed(
        gateway_subscription_id=subscription, payment_id=payment_id(invoice), invoice_id=text(invoice, "id")
    )


def as_it_stands(invoice: Plain) -> Notice:
    """The notice that led to this state: what a webhook would have said. `payments` is expanded, best with their intents."""
    match text(invoice, "status"):
        case "paid":
            return paid(invoice)
        case "void" | "uncollectible":
            return closed(invoice)
        case "open" if "processing" in _intent_statuses(invoice):
            return Irrelevant()  # A bank takes its time; what comes of it is told.
        case "open" if whole(invoice, "attempt_count"):
            return payment_failed(invoice)
        case "draft" | "open":
            return Irrelevant()
        case _:
            raise ShapeUnknown(invoice, "status")


def subscription_id(invoice: Plain) -> str | None:
    """Stripe's id of the subscription that it bills; None where it bills something else."""
    details = inner(inner(invoice, "parent"), "subscription_details")
    return reference(details, "subscription") or reference(invoice, "subscription")


def _invoice(invoice: Plain, amount_minor: int) -> Invoice:
    return Invoice(
        invoice_id=text(invoice, "id"),
        billing_reason=optional_text(invoice, "billing_reason") or "manual",
        amount_minor=amount_minor,
        currency=text(invoice, "currency"),
        issued_at=moment(invoice, "created"),
        lines=tuple(_line(line) for line in listed(invoice, "lines")),
    )


def _line(line: Plain) -> Line:
    of_item, of_extra = (inner(inner(line, "parent"), f"{of}_item_details") for of in ("subscription", "invoice"))
    recurs = bool(of_item) or line.get("type") == "subscription"
    proration = any(place.get("proration") is True for place in (line, of_item, of_extra))
    period = inner(line, "period")
    return Line(
        price_id=reference(inner(inner(line, "pricing"), "price_details"), "price") or reference(line, "price"),
        quantity=optional_whole(line, "quantity") or 1,  # Usage has none.
        whole_period=recurs and not proration,
        period_start=moment(period, "start"),
        period_end=moment(period, "end"),
    )


def _gateway_payment_id(invoice: Plain) -> str | None:
    """What it was paid with; None where nothing was charged, or where the invoice came without its payments."""
    if invoice.get("payments") is None:
        return reference(invoice, "payment_intent")
    made = [inner(payment, "payment") for payment in listed(invoice, "payments") if payment.get("status") == "paid"]
    return next((found for payment in made if (found := reference(payment, "payment_intent"))), None)


def _awaits_customer(invoice: Plain) -> bool:
    """Whether 3-D Secure is what the payment waits for."""
    return "requires_action" in _intent_statuses(invoice)


def _intent_statuses(invoice: Plain) -> set[str]:
    """How its payments stand, where they were asked for and expanded."""
    if invoice.get("payments") is None:
        return set()
    intents = (inner(inner(payment, "payment"), "payment_intent") for payment in listed(invoice, "payments"))
    return {text(intent, "status") for intent in intents if intent}
