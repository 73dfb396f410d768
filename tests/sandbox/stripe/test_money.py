"""Amounts as people write them."""

import pytest

from sandbox.stripe.money import CURRENCIES, MINIMUM, written


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (2999, "usd", "$29.99"),
        (0, "usd", "$0.00"),
        (123456789, "usd", "$1,234,567.89"),
        (500, "jpy", "¥500"),
        (1500, "kwd", "1.500 KWD"),
        (1250, "eur", "€12.50"),
        (990, "chf", "9.90 CHF"),
    ],
)
def test_an_amount_is_written_with_the_decimals_of_its_currency(amount: int, currency: str, text: str) -> None:
    assert written(amount, currency) == text


def test_every_minimum_is_of_a_currency_that_is_taken() -> None:
    assert set(MINIMUM) <= CURRENCIES
    assert "hrk" not in CURRENCIES
