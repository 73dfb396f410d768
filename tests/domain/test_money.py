"""Amounts as people read them."""

import pytest

from domain.money import CURRENCIES, decimals, display


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [
        (29_99, "usd", "29.99 USD"),
        (5, "eur", "0.05 EUR"),
        (500, "jpy", "500 JPY"),
        (1234, "kwd", "1.234 KWD"),
        (-150, "usd", "-1.50 USD"),
        (0, "usd", "0.00 USD"),
    ],
)
def test_an_amount_is_shown_with_its_currency_s_decimals(amount: int, currency: str, shown: str) -> None:
    assert display(amount, currency) == shown


def test_every_currency_has_between_no_and_three_decimals() -> None:
    assert {decimals(currency) for currency in CURRENCIES} == {0, 2, 3}
