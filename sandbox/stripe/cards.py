"""Stripe's test cards, and what each of them does when somebody pays with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sandbox.stripe.errors import StripeRefusal, card_refused

# Sources: Stripe's page on testing, and its codes for declines.


@dataclass(frozen=True)
class Decline:
    """Why a charge fails. `decline_code` is the issuer's reason, where there is one."""

    code: str
    message: str
    decline_code: str | None = None
    blocked: bool = False  # Stopped by Stripe's own fraud rules, never sent to the issuer

    @property
    def advice_code(self) -> str:
        return "do_not_try_again" if self.decline_code in ("lost_card", "stolen_card") else "try_again_later"


@dataclass(frozen=True)
class TestCard:
    """A number and its behaviour. `says` is what a person reads beside it."""

    __test__ = False  # Not a pytest class

    number: str
    says: str
    brand: str = "visa"
    decline: Decline | None = None
    asks_3ds: bool = False
    asks_again: bool = False  # For 3-D Secure, also when its holder is not there

    @property
    def spaced(self) -> str:
        return " ".join(self.number[start : start + 4] for start in range(0, len(self.number), 4))


def _declined(decline_code: str, message: str = "Your card was declined.") -> Decline:
    return Decline("card_declined", message, decline_code)


GENERIC = _declined("generic_decline")
NO_FUNDS = _declined("insufficient_funds", "Your card has insufficient funds.")
NOT_A_TEST_CARD = _declined(
    "test_mode_live_card",
    "Your card was declined. Your request was in test mode, but used a non test card. "
    "For a list of valid test cards, visit: https://stripe.com/docs/testing.",
)

TEST_CARDS = {
    card.number: card
    for card in (
        TestCard("4242424242424242", "Succeeds"),
        TestCard("4000002760003184", "Asks for 3-D Secure", asks_3ds=True, asks_again=True),
        TestCard("4000000000000002", "Is declined", decline=GENERIC),
        TestCard("4000000000009995", "Has insufficient funds", decline=NO_FUNDS),
        TestCard("4000008260003178", "3-D Secure, then no funds", decline=NO_FUNDS, asks_3ds=True, asks_again=True),
        TestCard("4000002500003155", "Asks for 3-D Secure on the page", asks_3ds=True),
        TestCard("4000000000009987", "Was lost", decline=_declined("lost_card")),
        TestCard("4000000000009979", "Was stolen", decline=_declined("stolen_card")),
        TestCard(
            "4000000000000069", "Has expired", decline=Decline("expired_card", "Your card has expired.", "expired_card")
        ),
        TestCard(
            "4000000000000127",
            "Has another security code",
            decline=Decline("incorrect_cvc", "Your card's security code is incorrect.", "incorrect_cvc"),
        ),
        TestCard(
            "4000000000000119",
            "Meets a processing error",
            decline=Decline(
                "processing_error",
                "An error occurred while processing your card. Try again in a little bit.",
                "processing_error",
            ),
        ),
        TestCard(
            "4100000000000019",
            "Is blocked as fraudulent",
            decline=Decline("card_declined", "Your card was declined.", "fraudulent", blocked=True),
        ),
        TestCard("4000000000000341", "Can be saved, but not charged", decline=GENERIC),
        # The payment succeeds; what these lead to afterwards belongs to disputes, refunds and payouts.
        TestCard("4000000000000259", "Succeeds, then is disputed"),
        TestCard("4000000000002685", "Succeeds, then is disputed: not received"),
        TestCard("4000000000001976", "Succeeds, then an inquiry"),
        TestCard("4000000000005423", "Succeeds, then a fraud warning"),
        TestCard("4000000404000079", "Succeeds, then several disputes"),
        TestCard("4000000000007726", "Succeeds; its refund is pending first"),
        TestCard("4000000000005126", "Succeeds; its refund fails"),
        TestCard("4000000000000077", "Succeeds; funds available at once"),
        TestCard("5555555555554444", "Mastercard, succeeds", brand="mastercard"),
        TestCard("378282246310005", "American Express, succeeds", brand="amex"),
    )
}

SAVED_BUT_NEVER_CHARGED = "4000000000000341"

# Stripe's tokens for them, for programs: whoever attaches one gets a payment method of its own.
TOKENS = {
    "pm_card_visa": "4242424242424242",
    "pm_card_mastercard": "5555555555554444",
    "pm_card_amex": "378282246310005",
    "pm_card_chargeCustomerFail": SAVED_BUT_NEVER_CHARGED,
    "pm_card_chargeDeclined": "4000000000000002",
    "pm_card_visa_chargeDeclined": "4000000000000002",
    "pm_card_authenticationRequired": "4000002500003155",
    "pm_card_createDispute": "4000000000000259",
    "pm_card_createDisputeProductNotReceived": "4000000000002685",
    "pm_card_createDisputeInquiry": "4000000000001976",
    "pm_card_createIssuerFraudRecord": "4000000000005423",
    "pm_card_createMultipleDisputes": "4000000404000079",
    "pm_card_bypassPending": "4000000000000077",
}


@dataclass(frozen=True)
class Card:
    """A card as it was typed in and found well-formed."""

    number: str
    exp_month: int
    exp_year: int

    @property
    def behaviour(self) -> TestCard:
        return TEST_CARDS.get(self.number) or TestCard(self.number, "Is no test card", decline=NOT_A_TEST_CARD)

    @property
    def last4(self) -> str:
        return self.number[-4:]

    def shown(self) -> dict[str, Any]:
        """What a payment method and a charge say alike about a card."""
        return {
            "brand": self.behaviour.brand,
            "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
            "country": "US",
            "exp_month": self.exp_month,
            "exp_year": self.exp_year,
            "fingerprint": f"sandbox{self.last4}",
            "funding": "credit",
            "last4": self.last4,
            "regulated_status": "unregulated",
            "wallet": None,
        }


def declined(why: Decline, **details: Any) -> StripeRefusal:
    """The answer (402) to whoever tried to use a card that is declined."""
    advice = {"advice_code": why.advice_code} if why.decline_code else {}
    return card_refused(why.message, why.code, decline_code=why.decline_code, **advice, **details)


def read_card(number: str, expiry: tuple[int, int], cvc: str, today: tuple[int, int]) -> Card:
    """A card from what was typed; `expiry` and `today` are (year, month). Refuses (402) what no issuer need be asked."""
    digits = "".join(number.split()).replace("-", "")
    if not digits.isdecimal() or not 12 <= len(digits) <= 19:
        raise card_refused("Your card number is incomplete or invalid.", "invalid_number", param="number")
    if not passes_luhn(digits):
        raise card_refused("Your card number is incorrect.", "incorrect_number", param="number")
    year, month = expiry
    if not 1 <= month <= 12:
        raise card_refused("Your card's expiration month is invalid.", "invalid_expiry_month", param="exp_month")
    if expiry < today or year > today[0] + 50:
        raise card_refused("Your card's expiration year is invalid.", "invalid_expiry_year", param="exp_year")
    if not cvc.isdecimal() or len(cvc) not in (3, 4):
        raise card_refused("Your card's security code is invalid.", "invalid_cvc", param="cvc")
    return Card(digits, month, year)


def passes_luhn(digits: str) -> bool:
    """The check digit that every card number ends in (ISO/IEC 7812-1)."""
    doubled = [sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2]]
    return (sum(doubled) + sum(int(digit) for digit in digits[::-2])) % 10 == 0
