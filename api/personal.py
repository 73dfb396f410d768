"""What must not stand in an event: an e-mail address, a telephone number or a card number in a value that callers choose."""

import re
import unicodedata
from collections.abc import Iterator

from email_validator import EmailNotValidError, validate_email
from phonenumbers import Leniency, PhoneNumberMatcher

_EMAIL_LIKE = re.compile(r"[^\s@<>()\[\],;:\"]+@[^\s@<>()\[\],;:\"]+\.[^\s@<>()\[\],;:\".]{2,}")
_FEWEST_DIGITS = 14
_DIGIT_RUN = re.compile(r"(?<![0-9A-Za-z])[0-9](?:[ .-]?[0-9]){13,}(?![0-9A-Za-z])")

# Issuer ranges and the lengths that cards of theirs are issued with (ISO/IEC 7812; the schemes' published ranges).
# Lengths that a scheme reserves and hardly anybody issues are left out: they are those of timestamps and snowflake ids.
_ISSUED: tuple[tuple[re.Pattern[str], frozenset[int]], ...] = (
    (re.compile(r"4"), frozenset({16, 19})),  # Visa
    (re.compile(r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720"), frozenset({16})),  # Mastercard
    (re.compile(r"3[47]"), frozenset({15})),  # American Express
    (re.compile(r"6011|64[4-9]|65"), frozenset({16, 19})),  # Discover
    (re.compile(r"30[0-5]|3095|36|3[89]"), frozenset({14, 16})),  # Diners Club
    (re.compile(r"352[89]|35[3-8]"), frozenset({16, 19})),  # JCB
    (re.compile(r"62"), frozenset({16, 19})),  # UnionPay
    (re.compile(r"50|5[6-8]|63|67"), frozenset({16, 19})),  # Maestro
)


def kind_found(text: str) -> str | None:
    """What names a person in this text, as words for a sentence (`an e-mail address`); None where nothing does."""
    # Full-width digits and signs are digits and signs all the same.
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
    if "@" in plain and any(map(_is_email, _EMAIL_LIKE.findall(plain))):
        return "an e-mail address"
    if len(plain) >= _FEWEST_DIGITS and any(map(_is_card, _digit_runs(plain))):
        return "a card number"
    if "+" in plain and PhoneNumberMatcher(plain, None, Leniency.VALID).has_next():
        return "a telephone number"
    return None


def _is_email(text: str) -> bool:
    try:
        validate_email(text.strip(".'`"), check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return False
    return True


def _digit_runs(text: str) -> Iterator[str]:
    for found in _DIGIT_RUN.findall(text):
        yield re.sub(r"[ .-]", "", found)


def _is_card(digits: str) -> bool:
    issued = any(prefix.match(digits) and len(digits) in lengths for prefix, lengths in _ISSUED)
    return issued and _passes_luhn(digits)


def _passes_luhn(digits: str) -> bool:
    """The check digit of ISO/IEC 7812-1, annex B."""
    doubled = [int(digit) * 2 for digit in digits[-2::-2]]
    return (sum(map(int, digits[-1::-2])) + sum(value - 9 if value > 9 else value for value in doubled)) % 10 == 0
