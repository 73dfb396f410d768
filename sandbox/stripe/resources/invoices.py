"""Invoices: so far the first one of a subscription, paid while it is made. Their whole life will stand here."""

from __future__ import annotations

from sandbox.stripe.account import Account
from sandbox.stripe.api import Call, Endpoint
from sandbox.stripe.ids import new_id, random_text
from sandbox.stripe.lists import everything, given, listed, page_of
from sandbox.stripe.parameters import choice, listing, moment, record, text
from sandbox.stripe.resources.events import record_event
from sandbox.stripe.store import JsonObject


def pay_first(account: Account, subscription: JsonObject, session: JsonObject) -> JsonObject:
    """The invoice that starts a subscription: what the checkout came to, paid."""
    now, total = account.clock.second(), session["amount_total"]
    id = new_id("in")
    items = subscription["items"]["data"]
    lines = everything([_line(id, item, subscription) for item in items], f"/v1/invoices/{id}/lines")
    details = {"metadata": subscription["metadata"], "subscription": subscription["id"]}
    invoice = {
        "id": id,
        "object": "invoice",
        "account_country": "US",
        "account_name": "Sandbox",
        "account_tax_ids": None,
        "amount_due": total,
        "amount_overpaid": 0,
        "amount_paid": total,
        "amount_paid_off_stripe": 0,
        "amount_remaining": 0,
        "amount_shipping": 0,
        "application": None,
        "attempt_count": 1 if total else 0,
        "attempted": True,
        "auto_advance": False,
        "automatic_tax": {
            "disabled_reason": None,
            "enabled": False,
            "liability": None,
            "provider": None,
            "status": None,
        },
        "automatically_finalizes_at": None,
        "billing_reason": "subscription_create",
        "collection_method": "charge_automatically",
        "created": now,
        "currency": session["currency"],
        "custom_fields": None,
        "customer": subscription["customer"],
        "customer_account": None,
        "customer_address": None,
        "customer_email": session["customer_details"]["email"],
        "customer_name": session["customer_details"]["name"],
        "customer_phone": None,
        "customer_shipping": None,
        "customer_tax_exempt": "none",
        "customer_tax_ids": [],
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "due_date": None,
        "effective_at": now,
        "ending_balance": 0,
        "footer": None,
        "from_invoice": None,
        "hosted_invoice_url": None,
        "invoice_pdf": None,
        "issuer": {"type": "self"},
        "last_finalization_error": None,
        "latest_revision": None,
        "lines": lines,
        "livemode": False,
        "metadata": {},
        "next_payment_attempt": None,
        "number": f"{random_text(8).upper()}-0001",
        "on_behalf_of": None,
        "parent": {"quote_details": None, "subscription_details": details, "type": "subscription_details"},
        "payment_settings": {
            "default_mandate": None,
            "payment_method_options": None,
            "payment_method_types": None,
        },
        "period_end": now,
        "period_start": now,
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "receipt_number": None,
        "rendering": None,
        "shipping_cost": None,
        "shipping_details": None,
        "starting_balance": 0,
        "statement_descriptor": None,
        "status": "paid",
        "status_details": None,
        "status_transitions": {
            "finalized_at": now,
            "marked_uncollectible_at": None,
            "paid_at": now,
            "voided_at": None,
        },
        "subtotal": total,
        "subtotal_excluding_tax": total,
        "test_clock": None,
        "total": total,
        "total_discount_amounts": [],
        "total_excluding_tax": total,
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
        "webhooks_delivered_at": now,
    }
    account.store.add(invoice, payment_intent=session["payment_intent"])
    record_event(account, "invoice.paid", invoice)
    return invoice


def _line(invoice: str, item: JsonObject, subscription: JsonObject) -> JsonObject:
    price, trial = item["price"], subscription["status"] == "trialing"
    amount = 0 if trial else (price["unit_amount"] or 0) * (item.get("quantity") or 0)
    details = {
        "invoice_item": None,
        "proration": False,
        "proration_details": {"credited_items": None},
        "subscription": subscription["id"],
        "subscription_item": item["id"],
    }
    priced = {"price": price["id"], "product": price["product"]}
    return {
        "id": new_id("il"),
        "object": "line_item",
        "amount": amount,
        "currency": price["currency"],
        "description": None,
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "invoice": invoice,
        "livemode": False,
        "metadata": {},
        "parent": {
            "invoice_item_details": None,
            "subscription_item_details": details,
            "type": "subscription_item_details",
        },
        "period": {"end": item["current_period_end"], "start": item["current_period_start"]},
        "pretax_credit_amounts": [],
        "pricing": {
            "price_details": priced,
            "type": "price_details",
            "unit_amount_decimal": price["unit_amount_decimal"],
        },
        "quantity": item.get("quantity"),
        "subtotal": amount,
        "taxes": [],
    }


def retrieve(call: Call) -> JsonObject:
    return call.account.store.get("invoice", call.path["id"])


def list_invoices(call: Call) -> JsonObject:
    page = page_of(call.params, equal=given(call.params, "customer", "status"))
    return listed(call.account.store, "invoice", "/v1/invoices", page)


STATUS = choice("draft", "open", "paid", "uncollectible", "void")

ENDPOINTS = (
    Endpoint("GET", "/v1/invoices", list_invoices, listing(created=moment(), customer=text(), status=STATUS)),
    Endpoint("GET", "/v1/invoices/{id}", retrieve, record()),
)
