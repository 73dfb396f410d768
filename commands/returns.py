"""Money that goes back, as the gateway tells of it: which payment it is of, and what it takes of the credits bought."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from commands.open_requests import OpenRequest, OpenRequests, RequestKind
from commands.ports import Answer, Context, Decided, EventStore, Receipt, States
from commands.takings import payment_taken_as
from domain.payment import PAYMENTS, Payment, PaymentEvent, RefundStatus, Status, refunds
from domain.payment.claims import CreditsReclaimed
from domain.payment.refunds import RefundTold
from domain.project import PROJECTS
from domain.streams import Stream
from domain.wallet import (
    WALLETS,
    Clawback,
    CreditsRestored,
    CreditsRevoked,
    Wallet,
    WalletEvent,
    restore,
    revoke,
    wallet_id,
)
from gateways.errors import NoticeUnmatched
from gateways.notices import DisputeUpdated, RefundNotice, RefundUpdated
from gateways.port import Gateway

ASK_AFTER_REFUND_IN = timedelta(hours=1)


async def hear_of_refunds(
    notice: RefundNotice, context: Context, store: EventStore, gateway: Gateway, open_requests: OpenRequests
) -> Receipt:
    """Record what a notice says of money that goes back. Raises `NoticeUnmatched` until the payment has succeeded here.

    A sum that is higher than what is known here makes us ask for the refunds behind it: none is made up. So does a refund with
    which more would have gone back than was paid.
    """
    payment = await payment_behind(notice, context, store, gateway)
    heard: Sequence[RefundUpdated] = []
    if isinstance(notice, RefundUpdated):
        heard = [notice]
        if notice.status is RefundStatus.SUCCEEDED and refunds.is_too_much(payment, _told(notice, payment)):
            heard = await _all_refunds(payment, gateway)
    elif notice.refunded_minor > payment.refunded_minor + payment.reserved_minor:
        heard = await _all_refunds(payment, gateway)
    context = context.for_project(payment.project_id)
    await _follow(payment, heard, context, gateway, open_requests)
    return await record_refunds(payment, heard, context, store, lambda after, _: {"payment_id": after.payment_id})


async def _all_refunds(payment: Payment, gateway: Gateway) -> Sequence[RefundUpdated]:
    """As they stand now. Those that came to nothing first: what they seemed to give back is not back."""
    assert payment.gateway_payment_id is not None, "by which it was found"
    made = await gateway.list_refunds(payment.gateway_payment_id)
    return sorted(made, key=lambda refund: refund.status not in (RefundStatus.FAILED, RefundStatus.CANCELED))


async def payment_behind(
    notice: RefundNotice | DisputeUpdated, context: Context, store: EventStore, gateway: Gateway
) -> Payment:
    """The payment whose money it is. Found by what the store knows; what the gateway was told is a hint that must fit.

    Where neither says it, it may be an invoice's, of which no word came how it was paid: the gateway is asked which.
    Raises `NoticeUnmatched`, also while the payment is not known to be paid: the proof of that is on its way.
    """
    gateway_payment_id = notice.gateway_payment_id
    if gateway_payment_id is None and notice.charge_id is not None:
        gateway_payment_id = await gateway.payment_of_charge(notice.charge_id)
    if gateway_payment_id is None:
        raise NoticeUnmatched
    payment_id = await store.find("gateway_payment", gateway_payment_id) or notice.payment_id
    if payment_id is None:
        payment = await payment_taken_as(gateway_payment_id, context, store, gateway)
    else:
        payment = await store.load(PAYMENTS.at(payment_id))
    if payment is None or payment.status is not Status.SUCCEEDED or payment.gateway_payment_id != gateway_payment_id:
        raise NoticeUnmatched
    return payment


async def record_refunds(
    payment: Payment,
    heard: Sequence[RefundUpdated],
    context: Context,
    store: EventStore,
    answer: Callable[[Payment, Clawback], Answer],
) -> Receipt:
    """Record how refunds of one payment stand, with the credits that they take or give back, in one commit."""
    stream, project = PAYMENTS.at(payment.payment_id), PROJECTS.at(payment.project_id)
    wallet = WALLETS.at(wallet_id(payment.project_id, payment.user_id, payment.credit_type))
    streams: list[Stream[Any, Any]] = [stream, project, wallet] if payment.credits else [stream, project]

    def decide(states: States) -> Decided:
        after, holds, sells = states[stream], states[wallet] if payment.credits else None, states[project]
        assert after is not None, "found before"
        assert sells is not None, "a payment has a project"
        facts: list[PaymentEvent] = []
        moves: list[WalletEvent] = []
        for notice in heard:
            new_facts, new_moves = _meaning(notice, after, holds, sells.clawback, context.now)
            after = PAYMENTS.fold(new_facts, after) or after
            holds = WALLETS.fold(new_moves, holds)
            facts += new_facts
            moves += new_moves
        both = [stream.facts(*facts), wallet.facts(*moves)] if moves else [stream.facts(*facts)]
        return Decided(both, answer(after, sells.clawback))

    return await store.record(context, streams, decide)


def _meaning(
    notice: RefundUpdated, payment: Payment, wallet: Wallet | None, clawback: Clawback, now: datetime
) -> tuple[list[PaymentEvent], list[WalletEvent]]:
    told = _told(notice, payment)
    match notice.status:
        case RefundStatus.SUCCEEDED:
            wanted = refunds.credits_to_reclaim(payment, told)
            moves = reclaim(wallet, payment, wanted, told.refund_id, "refunded", clawback, now) if wallet else []
            return refunds.succeed(payment, told, claimed(moves, clawback)), moves
        case RefundStatus.FAILED:
            moves = _returned(wallet, told.refund_id, now)
            restored = sum(move.amount for move in moves if isinstance(move, CreditsRestored))
            return refunds.fail(payment, told, notice.failure_code or "unknown", restored), moves
        case RefundStatus.CANCELED:
            return refunds.cancel(payment, told), []
        case _:
            return refunds.take_on(payment, told), []


def _told(notice: RefundUpdated, payment: Payment) -> RefundTold:
    return RefundTold(
        refund_id=refunds.our_id(payment, notice.gateway_refund_id, notice.refund_id),
        gateway_refund_id=notice.gateway_refund_id,
        amount_minor=notice.amount_minor,
        currency=notice.currency,
        reason=notice.reason,
    )


def reclaim(
    wallet: Wallet,
    payment: Payment,
    wanted: int,
    revocation_id: str,
    reason: str,
    clawback: Clawback,
    now: datetime,
) -> list[WalletEvent]:
    """Take back so many of the credits that a payment bought, as far as the policy goes; once for each revocation id."""
    return revoke(
        wallet,
        revocation_id=revocation_id,
        entry_id=f"ent_{payment.payment_id}",
        amount=wanted,
        policy=clawback,
        reason=reason,
        now=now,
    )


def claimed(moves: Sequence[WalletEvent], clawback: Clawback) -> CreditsReclaimed:
    """What these moves took back of the credits bought, and what they could not."""
    taken = [move for move in moves if isinstance(move, CreditsRevoked)]
    return CreditsReclaimed(
        revoked=sum(move.amount for move in taken),
        shortfall=sum(move.shortfall for move in taken),
        clawback=clawback.value,
    )


def _returned(wallet: Wallet | None, refund_id: str, now: datetime) -> list[WalletEvent]:
    if wallet is None:
        return []
    return restore(wallet, revocation_id=refund_id, reason="the refund failed", now=now)


async def _follow(
    payment: Payment, heard: Sequence[RefundUpdated], context: Context, gateway: Gateway, open_requests: OpenRequests
) -> None:
    """Have those that are still under way asked after, also when no word comes of them."""
    for notice in heard:
        if notice.status is RefundStatus.PENDING:
            opened = OpenRequest(
                kind=RequestKind.REFUND,
                id=refunds.our_id(payment, notice.gateway_refund_id, notice.refund_id),
                stream_id=payment.payment_id,
                project_id=payment.project_id,
                gateway=gateway.name,
                command_id=context.command_id,
                fingerprint=context.fingerprint,
                request_id=context.request_id,
                created_at=context.now,
            )
            await open_requests.add(opened, due_at=context.now + ASK_AFTER_REFUND_IN)
