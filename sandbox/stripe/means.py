"""What somebody pays with, read from what they typed, and found again after a step at their bank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sandbox.stripe.banks import TEST_ROUTING_NUMBER, BankDebit, read_iban, read_us_account
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


# Kept with a payment method, so that it can be charged again.


def packed(means: Means) -> list[str | int]:
    if isinstance(means, Card):
        return ["card", means.number, means.exp_month, means.exp_year]
    return [means.kind, means.account.number]


def unpacked(kept: Sequence[str | int]) -> Means:
    kind, number, *expiry = kept
    if kind == "card":
        return Card(str(number), int(expiry[0]), int(expiry[1]))
    return read_iban(str(number)) if kind == "sepa_debit" else read_us_account(TEST_ROUTING_NUMBER, str(number))
