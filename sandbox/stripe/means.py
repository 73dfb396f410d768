"""What somebody pays with, read from what they typed, and found again after a step at their bank."""

from __future__ import annotations

from collections.abc import Mapping

from sandbox.stripe.banks import BankDebit, read_iban, read_us_account
from sandbox.stripe.cards import Card, read_card

Means = Card | BankDebit

# Programs may leave these out; the page always sends them.
YEARS_LEFT = 4
CVC = "123"


def kind_of(means: Means) -> str:
    """Its payment method type: `card`, `sepa_debit` or `us_bank_account`."""
    return "card" if isinstance(means, Card) else means.kind


def read_means(typed: Mapping[str, str], month: tuple[int, int]) -> Means | None:
    """A card, an IBAN or a US account; None when nothing was typed. Refuses (402) what cannot be.

    `typed` may hold card_number, exp_month, exp_year, cvc; iban; routing_number, account_number.
    `month` is the present (year, month).
    """
    if typed.get("iban"):
        return read_iban(typed["iban"])
    if typed.get("account_number"):
        return read_us_account(typed.get("routing_number", ""), typed["account_number"])
    if not typed.get("card_number"):
        return None
    expiry = (_year(typed.get("exp_year") or str(month[0] + YEARS_LEFT)), _number(typed.get("exp_month") or "12"))
    return read_card(typed["card_number"], expiry, typed.get("cvc", CVC), month)


def _year(typed: str) -> int:
    """Two digits mean this century."""
    number = _number(typed)
    return number + 2000 if number < 100 else number


def _number(typed: str) -> int:
    return int(typed) if typed.isascii() and typed.isdecimal() else 0
