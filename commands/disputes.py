"""Disputes, as the gateway tells of them: what is new is recorded, and what may be outdated is asked after first."""

from datetime import datetime, timedelta
from typing import Any

from commands.open_requests import OpenRequest, OpenRequests, RequestKind
from commands.ports import Context, Decided, EventStore, Receipt, States, StreamsBusy
from commands.returns import claimed, payment_behind, reclaim
from domain.payment import PAYMENTS, Dispute, Payment, disputes
from domain.payment.disputes import DisputeTold, News
from domain.project import PROJECTS
from domain.streams import Stream
from domain.wallet import (
    WALLETS,
    Clawback,
    CreditsRestored,
    Wallet,
    WalletEvent,
    freeze,
    restore,
    unfreeze,
    wallet_id,
)
from gateways.errors import GatewayRefused, NoticeUnmatched
from gateways.notices import DisputeUpdated
from gateways.port import Gateway

ASK_AFTER_DISPUTE_IN = timedelta(days=1)
MOST_ASKINGS = 100


async def hear_of_dispute(
    notice: DisputeUpdated, context: Context, store: EventStore, gateway: Gateway, open_requests: OpenRequests
) -> Receipt:
    """Record what a notice says of a dispute. Raises `NoticeUnmatched` until the payment has succeeded here.

    One that is not further along than what is known may be late, or may tell of a decision that was reversed: then the gateway
    is asked how the dispute stands.
    """
    payment = await payment_behind(notice, context, store, gateway)
    context = context.for_project(payment.project_id)
    if not notice.status.closed:
        await _follow(notice, payment, context, gateway, open_requests)
    receipt = await _record(payment, told(notice), None, context, store)
    if receipt.answer["certain"]:
        return receipt
    return await ask_about_dispute(payment, notice.dispute_id, context, store, gateway)


async def ask_about_dispute(
    payment: Payment, dispute_id: str, context: Context, store: EventStore, gateway: Gateway
) -> Receipt:
    """Record how a dispute stands at the gateway now, whatever was known of it.

    Where something else was recorded while the gateway was asked, it is asked again: its first answer may be the older one.
    Raises `NoticeUnmatched` where it knows no such dispute.
    """
    for number in range(MOST_ASKINGS):
        step = context.step(f"asked/{number}")
        receipt = await store.receipt(step)
        if receipt is None:
            standing = await _standing(payment, dispute_id, store)
            try:
                now = await gateway.read_dispute(dispute_id)
            except GatewayRefused as error:
                raise NoticeUnmatched from error
            receipt = await _record(payment, told(now), standing, step, store)
        if receipt.answer["certain"]:
            return receipt
    raise StreamsBusy


def told(notice: DisputeUpdated) -> DisputeTold:
    return DisputeTold(
        dispute_id=notice.dispute_id,
        status=notice.status,
        amount_minor=notice.amount_minor,
        currency=notice.currency,
        reason=notice.reason,
        refundable=notice.refundable,
        opened_at=notice.opened_at,
        evidence_due_by=notice.evidence_due_by,
    )


async def _standing(payment: Payment, dispute_id: str, store: EventStore) -> Dispute | None:
    now = await store.load(PAYMENTS.at(payment.payment_id))
    return now.disputes.get(dispute_id) if now is not None else None


async def _record(
    payment: Payment, word: DisputeTold, asked_at: Dispute | None, context: Context, store: EventStore
) -> Receipt:
    """Record word of a dispute with what it does to the credits, in one commit.

    `asked_at` is how the dispute stood when the gateway was asked for this word: as long as it still does, the word counts.
    Answers {payment_id, certain}; not certain where the word may be outdated, and nothing was recorded.
    """
    stream, project = PAYMENTS.at(payment.payment_id), PROJECTS.at(payment.project_id)
    wallet = WALLETS.at(wallet_id(payment.project_id, payment.user_id, payment.credit_type))
    streams: list[Stream[Any, Any]] = [stream, project, wallet] if payment.credits else [stream, project]

    def decide(states: States) -> Decided:
        now, sells = states[stream], states[project]
        holds = states[wallet] if payment.credits else None
        assert now is not None, "found before"
        assert sells is not None, "a payment has a project"
        known, news = now.disputes.get(word.dispute_id), disputes.news(now, word)
        if news is News.NONE:
            return Decided([], {"payment_id": payment.payment_id, "certain": True})
        if news is News.DOUBTFUL and known != asked_at:
            return Decided([], {"payment_id": payment.payment_id, "certain": False})
        moves = _moves(now, word, holds, sells.clawback, context.now)
        restored = sum(move.amount for move in moves if isinstance(move, CreditsRestored))
        facts = disputes.take(now, word, claimed(moves, sells.clawback), restored)
        both = [stream.facts(*facts), wallet.facts(*moves)] if moves else [stream.facts(*facts)]
        return Decided(both, {"payment_id": payment.payment_id, "certain": True})

    return await store.record(context, streams, decide)


def _moves(
    payment: Payment, word: DisputeTold, wallet: Wallet | None, clawback: Clawback, now: datetime
) -> list[WalletEvent]:
    """Frozen while it is open; then what was lost is taken, or what had been taken comes back, and the freeze is lifted."""
    if wallet is None:
        return []
    known = payment.disputes.get(word.dispute_id)
    revocation_id = disputes.revocation_id(payment, word.dispute_id)
    moves: list[WalletEvent] = []
    if wanted := disputes.credits_to_reclaim(payment, word):
        moves += reclaim(wallet, payment, wanted, revocation_id, "dispute lost", clawback, now)
    elif known is not None and known.lost and not word.status.means_loss:
        moves += restore(wallet, revocation_id=revocation_id, reason="dispute won after all", now=now)
    wallet = WALLETS.fold(moves, wallet) or wallet
    if word.status.closed:
        moves += unfreeze(wallet, freeze_id=word.dispute_id)
    elif not word.status.means_loss:
        moves += freeze(wallet, freeze_id=word.dispute_id, reason="disputed")
    return moves


async def _follow(
    notice: DisputeUpdated, payment: Payment, context: Context, gateway: Gateway, open_requests: OpenRequests
) -> None:
    """Have it asked after until it ends, also when no word comes of it."""
    opened = OpenRequest(
        kind=RequestKind.DISPUTE,
        id=notice.dispute_id,
        stream_id=payment.payment_id,
        project_id=payment.project_id,
        gateway=gateway.name,
        command_id=context.command_id,
        fingerprint=context.fingerprint,
        request_id=context.request_id,
        created_at=context.now,
    )
    await open_requests.add(opened, due_at=context.now + ASK_AFTER_DISPUTE_IN)
