"""What is taken for a person's, and what is not."""

import pytest

from api.personal import kind_found


@pytest.mark.parametrize(
    "text",
    [
        "person@example.com",
        "First.Last+tag@sub.example.co.uk",
        "asked by <person@example.com>, by phone",
        "mailto:person@example.com.",
        "pérson@exämple.de",
        "person＠example.com",  # noqa: RUF001  # a full-width sign
    ],
)
def test_an_email_address_is_found_wherever_it_stands(text: str) -> None:
    assert kind_found(text) == "an e-mail address"


@pytest.mark.parametrize(
    "text",
    [
        "4242424242424242",  # Visa
        "4242 4242 4242 4242",
        "card 4242-4242-4242-4242 was declined",
        "5555555555554444",  # Mastercard
        "2223003122003222",  # Mastercard, the newer range
        "378282246310005",  # American Express
        "6011111111111117",  # Discover
        "3056930009020004",  # Diners Club
        "36227206271667",  # Diners Club, 14 digits
        "3566002020360505",  # JCB
        "6200000000000005",  # UnionPay
        "４２４２４２４２４２４２４２４２",  # noqa: RUF001  # full-width digits
        "usr_4242424242424242",
    ],
)
def test_a_card_number_is_found_however_it_is_written(text: str) -> None:
    assert kind_found(text) == "a card number"


@pytest.mark.parametrize("text", ["+14155552671", "+49 30 901820", "call +44 20 7031 3000 back"])
def test_a_telephone_number_with_its_country_is_found(text: str) -> None:
    assert kind_found(text) == "a telephone number"


@pytest.mark.parametrize(
    "text",
    [
        "user-42",
        "12345",
        "1795499281",  # seconds
        "1795499281000",  # milliseconds
        "175928847299117063",  # a snowflake of 18 digits
        "1541815603606036480",  # and of 19
        "4111111111111112",  # fails its check digit
        "550e8400-e29b-41d4-a716-446655440000",
        "0190f7a4-5b5c-7c3e-9d51-3b1f8a1c2d3e",
        "git@github",
        "auth0|5f7c8ec7c33c6c004bbafe82",
        "google-oauth2|115015401343387192604",
        "pay_4242424242424242a424242424242424",
        "+1 and another",
        "C++ for 2026-11-23",
        "12 +34",
        "",
    ],
)
def test_an_ordinary_id_passes(text: str) -> None:
    assert kind_found(text) is None
