"""Nothing is lost and nothing comes from nowhere, whatever is done to a wallet in whatever order, next to a plain ledger."""

from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as some
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from commands.returns import claimed, reclaim
from domain.errors import DomainError
from domain.payment import PAYMENTS, Payment, PaymentEvent, checkout, refunds, settlement
from domain.payment.refunds import RefundTold
from domain.product import Price, Product, ProductType
from domain.wallet import (
    WALLETS,
    Clawback,
    Wallet,
    WalletEvent,
    consume,
    expire,
    freeze,
    grant,
    holds,
    purchase,
    restore,
    revoke,
    unfreeze,
    wallet_id,
)
from schemas.names import name_of
from tests.domain.counter import GIVEN_BACK, PRICE, AtGateway, AtHome
from tests.domain.counter import Counter as MoneyCounter

BEGINNING = datetime(2026, 3, 1, 12, tzinfo=UTC)
OWNER: dict[str, Any] = {"project_id": "prj_1", "user_id": "u1", "credit_type": "api"}
WALLET_ID = wallet_id("prj_1", "u1", "api")

STEPS_AT_LEAST = 10_000

AMOUNTS = some.integers(1, 200)
HOURS = some.integers(1, 48)
PRIORITIES = some.integers(0, 3)


@dataclass
class Lot:
    """A grant as the plain ledger keeps it."""

    entry: str
    priority: int
    expires_at: datetime | None
    number: int
    amount: int
    left: int
    held: int = 0
    revoked: int = 0


@dataclass
class Ledger:
    """The oracle: what should come of each step, in plain Python without facts."""

    lots: list[Lot] = field(default_factory=list)
    holds: dict[str, tuple[datetime, dict[str, int]]] = field(default_factory=dict)
    revocations: dict[str, tuple[dict[str, int], int]] = field(default_factory=dict)
    freezes: set[str] = field(default_factory=set)
    debt: int = 0
    sums: dict[str, int] = field(default_factory=dict)

    @property
    def held(self) -> int:
        return sum(lot.held for lot in self.lots)

    @property
    def balance(self) -> int:
        return sum(lot.left for lot in self.lots) - self.debt

    @property
    def free(self) -> int:
        return sum(lot.left - lot.held for lot in self.lots)

    def count(self, kind: str, amount: int) -> None:
        if amount:
            self.sums[kind] = self.sums.get(kind, 0) + amount

    def lot(self, entry: str) -> Lot | None:
        return next((lot for lot in self.lots if lot.entry == entry), None)

    def in_burn_order(self) -> list[Lot]:
        return sorted(
            self.lots, key=lambda lot: (lot.priority, lot.expires_at or datetime.max.replace(tzinfo=UTC), lot.number)
        )

    def add(self, kind: str, entry: str, amount: int, priority: int, expires_at: datetime | None) -> None:
        self.count(kind, amount)
        lot = Lot(entry, priority, expires_at, len(self.lots), amount, amount)
        self.lots.append(lot)
        self.pay_debt(lot, amount)

    def pay_debt(self, lot: Lot, amount: int) -> None:
        paid = min(self.debt, amount)
        self.debt -= paid
        lot.left -= paid

    def take(self, amount: int) -> dict[str, int]:
        """Which lots a spend of this much finds, in burn order."""
        found = {}
        for lot in self.in_burn_order():
            if part := min(lot.left - lot.held, amount):
                found[lot.entry] = part
                amount -= part
        assert amount == 0
        return found

    def spend(self, amount: int) -> None:
        for entry, part in self.take(amount).items():
            self.find(entry).left -= part
        self.count("credits.consumed", amount)

    def find(self, entry: str) -> Lot:
        lot = self.lot(entry)
        assert lot is not None
        return lot

    def hold(self, hold_id: str, amount: int, until: datetime) -> None:
        parts = self.take(amount)
        for entry, part in parts.items():
            self.find(entry).held += part
        self.holds[hold_id] = (until, parts)

    def end_hold(self, hold_id: str, captured: int) -> None:
        _, parts = self.holds.pop(hold_id)
        self.count("credits.hold_captured", captured)
        freed = []
        for entry, part in parts.items():
            lot, spent = self.find(entry), min(part, captured)
            captured -= spent
            lot.left -= spent
            lot.held -= part
            freed.append((lot, part - spent))
        for lot, part in freed:
            self.pay_debt(lot, part)

    def pass_time(self, now: datetime) -> None:
        for hold_id, (until, _) in list(self.holds.items()):
            if until <= now:
                self.end_hold(hold_id, 0)
        for lot in self.lots:
            if lot.expires_at is not None and lot.expires_at <= now:
                self.count("credits.expired", lot.left - lot.held)
                lot.left = lot.held

    def revoke(self, revocation_id: str, entry: str, asked: int, policy: Clawback) -> None:
        own = self.find(entry)
        most = min(asked, own.amount - own.revoked)
        others = [lot for lot in self.in_burn_order() if lot is not own] if policy is Clawback.ALLOW_DEBT else []
        parts: dict[str, int] = {}
        for lot in (own, *others):
            part = min(lot.left - lot.held, most - sum(parts.values()))
            if part:
                parts[lot.entry] = part
                lot.left -= part
        owed = most - sum(parts.values()) if policy is Clawback.ALLOW_DEBT else 0
        self.debt += owed
        own.revoked += sum(parts.values()) + owed
        self.count("credits.revoked", sum(parts.values()) + owed)
        order = [lot.entry for lot in self.in_burn_order()]
        self.revocations[revocation_id] = ({name: parts[name] for name in order if name in parts}, owed)

    def restore(self, revocation_id: str, entry: str, asked: int | None, now: datetime) -> None:
        parts, owed = self.revocations[revocation_id]
        self.revocations[revocation_id] = ({}, 0)
        amount = taken = sum(parts.values()) + owed
        if asked is not None:
            amount = min(asked, taken)
        if not amount:
            return
        self.pass_time(now)
        self.count("credits.restored", amount)
        self.find(entry).revoked -= amount
        paid = min(self.debt, amount)
        self.debt -= paid
        amount -= paid
        for name, part in parts.items():
            self.find(name).left += min(part, amount)
            amount -= min(part, amount)
        self.lots.append(Lot(f"restored {revocation_id}", 100, None, len(self.lots), amount, amount))
        self.pass_time(now)


class Credits(RuleBasedStateMachine):
    """A wallet, the payments that fill it, and the ledger beside them."""

    steps = 0  # of all histories together

    @initialize(credits=AMOUNTS)
    def begin(self, credits: int) -> None:
        self.now = BEGINNING
        self.facts: list[WalletEvent] = []
        self.folded: Wallet | None = None
        self.payments: dict[str, Payment] = {}
        self.counters: dict[str, MoneyCounter] = {}
        self.ledger = Ledger()
        self.sums: Counter[str] = Counter()
        self.entries: list[str] = []
        self.taken_from: dict[str, str] = {}
        self.number = 0
        self.pay(credits, None, 1)

    # What the rules stand on.

    @property
    def wallet(self) -> Wallet:
        assert self.folded is not None
        return self.folded

    def fresh(self, prefix: str) -> str:
        self.number += 1
        return f"{prefix}_{self.number}"

    def later(self, hours: int | None) -> datetime | None:
        return None if hours is None else self.now + timedelta(hours=hours)

    def record(self, facts: list[WalletEvent]) -> None:
        self.folded = WALLETS.fold(facts, self.folded)
        self.facts += facts
        for fact in facts:
            self.sums[name_of(fact)] += fact.amount

    def refusal_of(self, decide: Callable[[], list[WalletEvent]]) -> str | None:
        """Why a decision was refused; None where it was taken, and is recorded."""
        try:
            self.record(decide())
        except DomainError as refusal:
            return refusal.code
        return None

    def expected_refusal(self, amount: int) -> str | None:
        """Why taking this much now should be refused, once everything has ended whose time has come."""
        if self.ledger.freezes:
            return "wallet_frozen"
        ledger = deepcopy(self.ledger)
        ledger.pass_time(self.now)
        return "insufficient_credits" if amount > ledger.free else None

    # Credits that come in.

    @rule(credits=AMOUNTS, hours=some.none() | HOURS, priority=PRIORITIES)
    def pay(self, credits: int, hours: int | None, priority: int) -> None:
        """A payment is made, and its proof comes twice."""
        payment_id = self.fresh("pay")
        self.payments[payment_id] = _initiated(payment_id, credits, self.now)
        self.counters[payment_id] = MoneyCounter(credits)
        for _ in range(2):
            succeeded = _paid(self.payments[payment_id])
            facts = purchase(
                self.folded,
                **OWNER,
                amount=credits,
                payment_id=payment_id,
                product_id="pack",
                now=self.now,
                expires_at=self.later(hours),
                priority=priority,
            )
            assert bool(succeeded) == bool(facts), "a payment buys when it is paid, and only then"
            self.payments[payment_id] = PAYMENTS.fold(succeeded, self.payments[payment_id]) or self.payments[payment_id]
            self.record(facts)
        self.entries.append(f"ent_{payment_id}")
        self.ledger.pass_time(self.now)
        self.ledger.add("credits.purchased", f"ent_{payment_id}", credits, priority, self.later(hours))

    @rule(amount=AMOUNTS, hours=some.none() | HOURS, priority=PRIORITIES)
    def give(self, amount: int, hours: int | None, priority: int) -> None:
        entry = self.fresh("ent")
        for _ in range(2):
            facts = grant(
                self.wallet,
                **OWNER,
                amount=amount,
                entry_id=entry,
                reason="a gift",
                now=self.now,
                priority=priority,
                expires_at=self.later(hours),
            )
            self.record(facts)
        self.entries.append(entry)
        self.ledger.pass_time(self.now)
        self.ledger.add("credits.granted", entry, amount, priority, self.later(hours))

    # Credits that go out.

    @rule(amount=AMOUNTS)
    def spend(self, amount: int) -> None:
        expected = self.expected_refusal(amount)
        refusal = self.refusal_of(
            lambda: consume(
                self.wallet,
                credit_type="api",
                amount=amount,
                entry_id=self.fresh("ent"),
                reference=None,
                now=self.now,
            )
        )
        assert refusal == expected
        if refusal is None:
            self.ledger.pass_time(self.now)
            self.ledger.spend(amount)

    @precondition(lambda self: self.ledger.free)
    @rule()
    def spend_all(self) -> None:
        self.spend(self.ledger.free)

    @rule(amount=AMOUNTS, hours=HOURS)
    def hold(self, amount: int, hours: int) -> None:
        hold_id = holds.hold_id(WALLET_ID, self.fresh("hold"))
        until = self.now + timedelta(hours=hours)
        expected = self.expected_refusal(amount)
        refusal = self.refusal_of(
            lambda: holds.hold(
                self.wallet,
                credit_type="api",
                hold_id=hold_id,
                amount=amount,
                expires_at=until,
                reference=None,
                now=self.now,
            )
        )
        assert refusal == expected
        if refusal is None:
            self.ledger.pass_time(self.now)
            self.ledger.hold(hold_id, amount, until)

    @precondition(lambda self: self.ledger.free)
    @rule(hours=HOURS)
    def hold_all(self, hours: int) -> None:
        self.hold(self.ledger.free, hours)

    @precondition(lambda self: self.ledger.holds)
    @rule(data=some.data(), percent=some.integers(1, 110))
    def capture(self, data: some.DataObject, percent: int) -> None:
        """All of a hold, or less, or more than there is."""
        hold_id = data.draw(some.sampled_from(sorted(self.ledger.holds)))
        until, parts = self.ledger.holds[hold_id]
        held = sum(parts.values())
        amount = max(1, held * percent // 100)
        refusal = self.refusal_of(lambda: holds.capture(self.wallet, hold_id=hold_id, amount=amount, now=self.now))
        if until <= self.now:
            assert refusal == "hold_not_open"
        elif self.ledger.freezes:
            assert refusal == "wallet_frozen"
        elif amount > held:
            assert refusal == "capture_exceeds_hold"
        else:
            assert refusal is None
            self.ledger.pass_time(self.now)
            self.ledger.end_hold(hold_id, amount)
            self.ledger.pass_time(self.now)

    @precondition(lambda self: self.ledger.holds)
    @rule(data=some.data())
    def release(self, data: some.DataObject) -> None:
        hold_id = data.draw(some.sampled_from(sorted(self.ledger.holds)))
        until, _ = self.ledger.holds[hold_id]
        refusal = self.refusal_of(lambda: holds.release(self.wallet, hold_id=hold_id, now=self.now))
        assert refusal == ("hold_not_open" if until <= self.now else None)
        if refusal is None:
            self.ledger.pass_time(self.now)
            self.ledger.end_hold(hold_id, 0)
            self.ledger.pass_time(self.now)

    # Credits that are taken back, and given back.

    @rule(data=some.data(), amount=AMOUNTS, policy=some.sampled_from(Clawback))
    def take_back(self, data: some.DataObject, amount: int, policy: Clawback) -> None:
        """A revocation, asked for twice."""
        entry = data.draw(some.sampled_from(self.entries))
        revocation_id = self.fresh("re")
        before = self.wallet.balance
        for _ in range(2):
            facts = revoke(
                self.wallet,
                revocation_id=revocation_id,
                entry_id=entry,
                amount=amount,
                policy=policy,
                reason="a refund",
                now=self.now,
            )
            self.record(facts)
        if policy is Clawback.REMAINING_ONLY:
            assert self.wallet.balance >= min(before, 0), "only a revocation that allows debt leads below zero"
        self.ledger.pass_time(self.now)
        self.ledger.revoke(revocation_id, entry, amount, policy)
        self.taken_from[revocation_id] = entry

    @precondition(lambda self: self.taken_from)
    @rule(data=some.data(), amount=some.none() | AMOUNTS)
    def give_back(self, data: some.DataObject, amount: int | None) -> None:
        """A revocation is taken back, twice, and perhaps not for the first time."""
        revocation_id = data.draw(some.sampled_from(sorted(self.taken_from)))
        for _ in range(2):
            facts = restore(self.wallet, revocation_id=revocation_id, amount=amount, reason="it failed", now=self.now)
            self.record(facts)
        self.ledger.restore(revocation_id, self.taken_from[revocation_id], amount, self.now)

    # Money that goes back, with the credits that it had bought.

    @rule(data=some.data(), asked=some.none() | some.integers(1, 12_00))
    def ask_for_refund(self, data: some.DataObject, asked: int | None) -> None:
        """By the project, twice. Refused, or set aside until the gateway has spoken."""
        payment_id, counter = self.a_payment(data)
        refund_id = self.fresh("rfd")
        refused = asked > counter.left if asked else not counter.left
        for _ in range(2):
            payment = self.payments[payment_id]
            try:
                amount = asked if refund_id in payment.refunds else refunds.amount_to_refund(payment, asked)
                facts = refunds.request_refund(
                    payment, refund_id=refund_id, amount_minor=amount or 0, reason=None, metadata={}
                )
            except DomainError:
                if refused:
                    return
                raise
            self.turn(payment_id, facts)
        assert not refused, f"{asked} where {counter.left} are left"
        counter.home[refund_id] = AtHome(asked or counter.left, "requested")

    @precondition(lambda self: self.unasked)
    @rule(data=some.data(), status=some.sampled_from(GIVEN_BACK))
    def gateway_is_asked(self, data: some.DataObject, status: str) -> None:
        """It makes the refund, and its answer may be lost; or it refuses, because others have taken the money back."""
        payment_id, refund_id = data.draw(some.sampled_from(self.unasked))
        counter = self.counters[payment_id]
        if not counter.make(self.fresh("re"), counter.home[refund_id].amount, refund_id, status):
            self.turn(payment_id, refunds.refuse(self.payments[payment_id], refund_id, "refused"))
            counter.home[refund_id].status = "failed"

    @rule(data=some.data(), amount=some.integers(1, 10_00), status=some.sampled_from(GIVEN_BACK))
    def refund_in_dashboard(self, data: some.DataObject, amount: int, status: str) -> None:
        """By somebody who may have copied an id of ours along."""
        _, counter = self.a_payment(data)
        copied = data.draw(some.none() | some.sampled_from(sorted(counter.home))) if counter.home else None
        counter.make(self.fresh("re"), amount, copied, status)

    @precondition(lambda self: self.made)
    @rule(data=some.data(), ends=some.sampled_from(["succeeded", "failed", "canceled"]))
    def refund_goes_on(self, data: some.DataObject, ends: str) -> None:
        """At the gateway: what is pending ends, and what succeeded may come back."""
        _, moved = data.draw(some.sampled_from(self.made))
        if moved.status in GIVEN_BACK:
            moved.states.append(ends if moved.status == "pending" else "failed")

    @precondition(lambda self: self.made)
    @rule(data=some.data(), policy=some.sampled_from(Clawback))
    def hear_of_refund(self, data: some.DataObject, policy: Clawback) -> None:
        """Word of any refund, from any time, once or again."""
        payment_id, told = data.draw(some.sampled_from(self.made))
        self.hear(payment_id, self.counters[payment_id], told, data.draw(some.sampled_from(told.states)), policy)

    @precondition(lambda self: self.unheard)
    @rule(data=some.data(), policy=some.sampled_from(Clawback))
    def hear_news_of_refund(self, data: some.DataObject, policy: Clawback) -> None:
        payment_id, told = data.draw(some.sampled_from(self.unheard))
        self.hear(payment_id, self.counters[payment_id], told, told.status, policy)

    @rule(data=some.data())
    def hear_how_all_refunds_stand(self, data: some.DataObject) -> None:
        """As the reconciler asks. Then both sides know the same."""
        payment_id, counter = self.a_payment(data)
        self.hear_of_all(payment_id, counter)
        went_back = sum(each.amount for each in counter.gateway.values() if each.status == "succeeded")
        assert self.payments[payment_id].refunded_minor == went_back

    def hear_of_all(self, payment_id: str, counter: MoneyCounter) -> None:
        """Those that came to nothing first."""
        for told in sorted(counter.gateway.values(), key=lambda each: each.status in GIVEN_BACK):
            self.hear(payment_id, counter, told, told.status, Clawback.REMAINING_ONLY)

    def hear(self, payment_id: str, counter: MoneyCounter, told: AtGateway, status: str, policy: Clawback) -> None:
        payment, name = self.payments[payment_id], counter.name_of(told)
        is_news, due = counter.is_news(name, status), counter.credits_due(name, told.amount)
        refund_id = refunds.our_id(payment, told.id, told.asked_as)
        assert name in (refund_id, None)
        word = RefundTold(
            refund_id=refund_id, gateway_refund_id=told.id, amount_minor=told.amount, currency="usd", reason=None
        )
        if status == "succeeded" and refunds.is_too_much(payment, word):
            self.hear_of_all(payment_id, counter)  # As the command does, which asks the gateway.
            return
        moves: list[WalletEvent] = []
        if status == "succeeded":
            wanted = refunds.credits_to_reclaim(payment, word)
            assert wanted == (due if is_news else 0)
            moves = reclaim(self.wallet, payment, wanted, refund_id, "refunded", policy, self.now)
            facts = refunds.succeed(payment, word, claimed(moves, policy))
        elif status == "failed":
            moves = restore(self.wallet, revocation_id=refund_id, amount=None, reason="it failed", now=self.now)
            facts = refunds.fail(payment, word, "failed", 0)
        else:
            facts = refunds.cancel(payment, word) if status == "canceled" else refunds.take_on(payment, word)
        assert bool(facts) == is_news
        self.turn(payment_id, facts)
        self.record(moves)
        if is_news:
            self.note_refund(counter, told, refund_id, status, due, payment_id, policy)

    def note_refund(
        self,
        counter: MoneyCounter,
        told: AtGateway,
        refund_id: str,
        status: str,
        due: int,
        payment_id: str,
        policy: Clawback,
    ) -> None:
        took = refund_id in self.ledger.revocations
        counter.home[refund_id] = AtHome(told.amount, status, told.id, due if status == "succeeded" else 0)
        if status == "succeeded" and due:
            self.ledger.pass_time(self.now)
            self.ledger.revoke(refund_id, f"ent_{payment_id}", due, policy)
        elif status == "failed" and took:
            self.ledger.restore(refund_id, f"ent_{payment_id}", None, self.now)

    @property
    def made(self) -> list[tuple[str, AtGateway]]:
        """Refunds at the gateway, each with its payment's id."""
        return [(id, each) for id, counter in self.counters.items() for each in counter.gateway.values()]

    @property
    def unheard(self) -> list[tuple[str, AtGateway]]:
        """Those that stand otherwise than we know."""
        return [(id, each) for id, each in self.made if self.counters[id].is_unheard(each)]

    @property
    def unasked(self) -> list[tuple[str, str]]:
        """Refunds that are recorded, and that the gateway has not been asked for."""
        return [(id, refund) for id, counter in self.counters.items() for refund in counter.unasked]

    def a_payment(self, data: some.DataObject) -> tuple[str, MoneyCounter]:
        payment_id = data.draw(some.sampled_from(list(self.counters)[-3:]))  # So that much comes together at each.
        return payment_id, self.counters[payment_id]

    def turn(self, payment_id: str, facts: list[PaymentEvent]) -> None:
        self.payments[payment_id] = PAYMENTS.fold(facts, self.payments[payment_id]) or self.payments[payment_id]
        if facts:
            payment, last = self.payments[payment_id], facts[-1]
            told = getattr(last, "refunded_minor_total", None), getattr(last, "reserved_minor_total", None)
            assert told == (payment.refunded_minor, payment.reserved_minor), "what the fact itself says"

    # Time, and freezes.

    @rule(hours=some.integers(1, 12))
    def wait(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @rule()
    def let_expire(self) -> None:
        self.record(expire(self.wallet, self.now))
        self.ledger.pass_time(self.now)

    @rule(freeze_id=some.sampled_from(["dp_1", "dp_2"]))
    def freeze(self, freeze_id: str) -> None:
        self.record(freeze(self.wallet, freeze_id=freeze_id, reason="a dispute"))
        self.ledger.freezes.add(freeze_id)

    @precondition(lambda self: self.ledger.freezes)
    @rule()
    def unfreeze(self) -> None:
        for freeze_id in ("dp_1", "dp_2"):
            self.record(unfreeze(self.wallet, freeze_id=freeze_id))
        self.ledger.freezes.clear()

    # What must hold after each step.

    @invariant()
    def the_wallet_agrees_with_the_ledger(self) -> None:
        wallet, ledger = self.wallet, self.ledger
        assert (wallet.balance, wallet.held, wallet.debt) == (ledger.balance, ledger.held, ledger.debt)
        assert wallet.available == ledger.free
        assert {each.entry_id: each.remaining for each in wallet.grants if each.entry_id in self.entries} == {
            lot.entry: lot.left for lot in ledger.lots if lot.left and lot.entry in self.entries
        }

    @invariant()
    def nothing_is_lost(self) -> None:
        """purchased + granted + restored - consumed - expired - revoked = balance, by the facts alone."""
        Credits.steps += 1
        came = sum(self.sums[kind] for kind in ("credits.purchased", "credits.granted", "credits.restored"))
        spent = self.sums["credits.consumed"] + self.sums["credits.hold_captured"]
        assert came - spent - self.sums["credits.expired"] - self.sums["credits.revoked"] == self.wallet.balance
        assert self.wallet.balance == self.facts[-1].balance
        assert all(self.sums[kind] == amount for kind, amount in self.ledger.sums.items())

    @invariant()
    def no_more_goes_back_than_was_paid(self) -> None:
        for payment_id, counter in self.counters.items():
            payment = self.payments[payment_id]
            assert (payment.refunded_minor, payment.reserved_minor) == (counter.back, counter.set_aside)
            assert payment.refundable_minor == counter.left
            assert payment.refunded_minor <= payment.amount_minor == PRICE
            assert payment.credits_claimed <= payment.credits

    @invariant()
    def the_wallet_is_whole(self) -> None:
        wallet, grants = self.wallet, self.wallet.grants
        assert wallet.balance == sum(each.remaining for each in grants) - wallet.debt
        assert wallet.held == sum(each.held for each in grants) == sum(each.amount for each in wallet.holds.values())
        assert all(0 <= each.held <= each.remaining <= each.amount for each in grants)
        assert not (wallet.debt and any(each.free for each in grants))
        assert list(grants) == sorted(grants, key=lambda each: each.burn_order)

    def teardown(self) -> None:
        """The facts alone make the same wallet."""
        assert WALLETS.fold(self.facts) == self.folded


def _initiated(payment_id: str, credits: int, now: datetime) -> Payment:
    product = Product(
        product_id="pack",
        name="Credits",
        type=ProductType.API_CREDITS,
        price=Price(price_id="price_pack", amount_minor=PRICE, currency="usd", interval=None),
        recurring=False,
        credits=credits,
        credit_type="api",
        permissions=(),
    )
    facts = checkout.initiate(
        None,
        payment_id=payment_id,
        project_id="prj_1",
        user_id="u1",
        product=product,
        quantity=1,
        gateway="stripe",
        metadata={},
        now=now,
    )
    payment = PAYMENTS.fold(facts)
    assert payment is not None
    return payment


def _paid(payment: Payment) -> list[PaymentEvent]:
    return settlement.succeed(
        payment,
        amount_minor=PRICE,
        currency="usd",
        checkout_id=f"cs_{payment.payment_id}",
        gateway_payment_id=f"pi_{payment.payment_id}",
        gateway_subscription_id=None,
    )


def test_no_history_loses_a_credit_or_makes_one() -> None:
    Credits.steps = 0
    run_state_machine_as_test(
        Credits,
        settings=settings(
            max_examples=250, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )

    assert Credits.steps >= STEPS_AT_LEAST
