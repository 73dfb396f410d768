"""Stripe's test bank accounts: debits whose outcome comes later."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from sandbox.stripe.cards import Decline
from sandbox.stripe.errors import card_refused

IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
TEST_ROUTING_NUMBER = "110000000"


@dataclass(frozen=True)
class TestAccount:
    """An account number and what becomes of a debit. `says` is what a person reads beside it."""

    __test__ = False  # Not a pytest class

    number: str
    says: str
    failure: Decline | None = None


RETURNED = Decline("payment_method_provider_decline", "The customer's bank returned the debit.")

TEST_IBANS = {
    account.number: account
    for account in (
        TestAccount("AT611904300234573201", "Succeeds after a while"),
        TestAccount("IT60X0542811101000000123456", "Fails after a while", RETURNED),
    )
}
TEST_US_ACCOUNTS = {
    account.number: account
    for account in (
        TestAccount("000123456789", "Succeeds after a while"),
        TestAccount("000111111113", "Fails: account closed", Decline("account_closed", "The bank account is closed.")),
        TestAccount("000111111116", "Fails: no such account", Decline("no_account", "No account was found.")),
    )
}


@dataclass(frozen=True)
class BankDebit:
    """A debit that the payer has agreed to; `kind` is `sepa_debit` or `us_bank_account`."""

    kind: str
    account: TestAccount

    @property
    def last4(self) -> str:
        return self.account.number[-4:]

    def shown(self) -> dict[str, Any]:
        """What a payment method and a charge say alike about the account."""
        if self.kind == "sepa_debit":
            country, bank_code = self.account.number[:2], self.account.number[4:9]
            return {"bank_code": bank_code, "branch_code": "", "country": country, **self._both()}
        return {
            "account_holder_type": "individual",
            "account_type": "checking",
            "bank_name": "STRIPE TEST BANK",
            "routing_number": TEST_ROUTING_NUMBER,
            **self._both(),
        }

    def _both(self) -> dict[str, Any]:
        return {"fingerprint": f"sandbox{self.last4}", "last4": self.last4}


def read_iban(typed: str) -> BankDebit:
    """Refuses (402) what is no IBAN, and one that is not a test account."""
    iban = "".join(typed.split()).upper()
    if not IBAN.fullmatch(iban) or not passes_mod_97(iban):
        raise card_refused("The IBAN you provided is invalid.", "invalid_number", param="iban")
    if iban not in TEST_IBANS:
        message = "That is not a test account. Use one of the test IBANs: " + ", ".join(TEST_IBANS)
        raise card_refused(message, "account_number_invalid", param="iban")
    return BankDebit("sepa_debit", TEST_IBANS[iban])


def read_us_account(routing_number: str, account_number: str) -> BankDebit:
    """Refuses (402) anything but the test routing number and test accounts."""
    if "".join(routing_number.split()) != TEST_ROUTING_NUMBER:
        message = f"The routing number is invalid. The one for tests is {TEST_ROUTING_NUMBER}."
        raise card_refused(message, "routing_number_invalid", param="routing_number")
    account = TEST_US_ACCOUNTS.get("".join(account_number.split()))
    if account is None:
        message = "That is not a test account. Use one of: " + ", ".join(TEST_US_ACCOUNTS)
        raise card_refused(message, "account_number_invalid", param="account_number")
    return BankDebit("us_bank_account", account)


def passes_mod_97(iban: str) -> bool:
    """The check digits of an IBAN (ISO 13616)."""
    turned = iban[4:] + iban[:4]
    return int("".join(str(int(character, 36)) for character in turned)) % 97 == 1
