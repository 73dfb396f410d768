"""Commands for the stores' tests: wallets that are paid into, payments that take their course."""

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID, uuid4

from commands.ports import Context, Decided, States
from domain.payment import PAYMENTS, Payment, PaymentCheckoutOpened, PaymentEvent, PaymentInitiated, PaymentSucceeded
from domain.streams import Stream
from domain.wallet import WALLETS, CreditsPurchased, Wallet, WalletEvent
from tests import samples

Wallets = Stream[Wallet, WalletEvent]

NOW = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)


def context(command_id: UUID | None = None, *, fingerprint: bytes = b"buy", request_id: str = "req_1") -> Context:
    """A command that nobody asked for before, unless its id says so."""
    command_id = command_id or uuid4()
    return Context(
        command_id=command_id,
        fingerprint=fingerprint,
        project_id="prj_shop",
        actor="key:key_1",
        request_id=request_id,
        causation_id=str(command_id),
        now=NOW,
    )


def wallet() -> Wallets:
    return WALLETS.at(f"wal_{uuid4().hex}")


def payment() -> Stream[Payment, PaymentEvent]:
    return PAYMENTS.at(f"pay_{uuid4().hex}")


def pay_in(*wallets: Wallets, amount: int = 5) -> Callable[[States], Decided]:
    """Pay the same amount into each wallet. Answers with the balances, in the order of the wallets."""

    def decide(states: States) -> Decided:
        balances = {each.id: _balance(states[each]) + amount for each in wallets}
        facts = [each.facts(purchased(each, amount, balances[each.id])) for each in wallets]
        return Decided(facts, {"balances": balances})

    return decide


def purchased(stream: Wallets, amount: int, balance: int) -> CreditsPurchased:
    return samples.purchased(wallet_id=stream.id, entry_id=f"ent_{uuid4().hex}", amount=amount, balance=balance)


def initiated(stream: Stream[Payment, PaymentEvent]) -> PaymentInitiated:
    return samples.initiated(stream.id, initiated_at=NOW, metadata={"order": "7", "note": "äöü €"})


def opened(stream: Stream[Payment, PaymentEvent], checkout_id: str) -> PaymentCheckoutOpened:
    return samples.opened(stream.id, checkout_id=checkout_id)


def succeeded(stream: Stream[Payment, PaymentEvent], checkout_id: str, gateway_payment_id: str) -> PaymentSucceeded:
    return samples.succeeded(
        stream.id,
        checkout_id=checkout_id,
        gateway_payment_id=gateway_payment_id,
        gateway_subscription_id=f"sub_of_{gateway_payment_id}",
    )


def _balance(wallet: Wallet | None) -> int:
    return wallet.balance if wallet else 0
