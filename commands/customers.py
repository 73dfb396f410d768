"""What the owner of the users tells of them, and what follows: wallets freeze, subscriptions end, personal data goes."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from commands.ports import Context, Decided, EventStore, Receipt, States
from domain.customer import CUSTOMERS, Customer, Standing, customer_id, erase, register, reinstate, suspend, update
from domain.streams import Facts, Stream
from domain.subscription import SUBSCRIPTIONS
from domain.wallet import WALLETS, Wallet, WalletEvent, freeze, unfreeze
from gateways.port import Gateway
from vault.port import Shredded, Vault

Wallets = Sequence[Stream[Wallet, WalletEvent]]


class Word(StrEnum):
    """What can be said of a user."""

    CREATED = "user.created"
    UPDATED = "user.updated"
    SUSPENDED = "user.suspended"
    REINSTATED = "user.reinstated"
    DELETED = "user.deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class UserEvent:
    """One word of the owner of the users. `personal` is what names the person: it goes into the vault, nowhere else."""

    event_id: str
    word: Word
    project_id: str
    user_id: str
    reason: str
    changed: tuple[str, ...]
    personal: dict[str, str]

    @property
    def customer_id(self) -> str:
        return customer_id(self.project_id, self.user_id)


async def hear_of_user(
    event: UserEvent, context: Context, store: EventStore, gateway: Gateway, vault: Vault
) -> Receipt:
    """Record what an event means, once per its id. Answers {customer_id, standing}.

    A deletion has several steps, each with an id of its own, and is recorded as done when all are: wallets are frozen,
    subscriptions ended at the gateway, the customer's key destroyed. Raises `GatewayUnavailable` where it must be tried again.
    """
    if event.word is not Word.DELETED:
        return await _record(event, await _sealing(event, context, vault), store)
    receipt = await store.receipt(context)
    if receipt is not None:
        return receipt
    await _freeze(event, context.step("frozen"), store)
    for subscription_id in await store.owned(event.customer_id, "sub_"):
        await _end(subscription_id, context, store, gateway)
    await vault.shred(event.customer_id)
    return await _record(event, context, store)


def freezes_with_customer(
    customer: Customer | None, stream: Stream[Wallet, WalletEvent], before: Wallet | None, facts: Sequence[WalletEvent]
) -> list[WalletEvent]:
    """What follows the first facts of a wallet where its customer may not spend: those that were there are frozen already."""
    if before is not None or customer is None:
        return []
    after = stream.kind.fold(facts, before)
    return [] if after is None else _frozen(customer, after)


def _frozen(customer: Customer | None, wallet: Wallet) -> list[WalletEvent]:
    if customer is None or customer.standing is Standing.ACTIVE:
        return []
    return freeze(wallet, freeze_id=_freeze_id(customer.customer_id), reason=f"customer {customer.standing}")


async def _record(event: UserEvent, context: Context, store: EventStore) -> Receipt:
    """The customer's fact, and with a suspension or its end what it means for the wallets, in one commit."""
    stream, wallets = CUSTOMERS.at(event.customer_id), await _wallets(event, store)
    streams: list[Stream[Any, Any]] = [stream, *wallets]

    def decide(states: States) -> Decided:
        customer = states[stream]
        match event.word:
            case Word.CREATED:
                facts = register(customer, event.customer_id, event.user_id)
            case Word.UPDATED:
                facts = update(customer, event.customer_id, event.user_id, event.changed)
            case Word.SUSPENDED:
                facts = suspend(customer, event.customer_id, event.user_id, event.reason)
            case Word.REINSTATED:
                facts = reinstate(customer)
            case Word.DELETED:
                facts = erase(customer, event.customer_id, event.user_id)
        after = CUSTOMERS.fold(facts, customer)
        decided = [stream.facts(*facts), *_of_wallets(event, after, wallets, states)]
        return Decided(decided, {"customer_id": event.customer_id, "standing": after.standing.value if after else None})

    return await store.record(context, streams, decide)


async def _freeze(event: UserEvent, context: Context, store: EventStore) -> None:
    """Before anything else of a deletion, so that nothing is spent while the rest goes on."""
    wallets = await _wallets(event, store)

    def decide(states: States) -> Decided:
        frozen = [
            wallet.facts(*freeze(state, freeze_id=_freeze_id(event.customer_id), reason="customer erased"))
            for wallet in wallets
            if (state := states[wallet]) is not None
        ]
        return Decided(frozen, {"customer_id": event.customer_id})

    await store.record(context, wallets, decide)


async def _end(subscription_id: str, context: Context, store: EventStore, gateway: Gateway) -> None:
    """At the gateway, which then tells of the end as of any other. The same key each time: it is asked once."""
    subscription = await store.load(SUBSCRIPTIONS.at(subscription_id))
    if subscription is not None and not subscription.ended:  # One whose grace period is over may still be charged.
        key = f"tillstream-{context.command_id}-{subscription_id}"
        await gateway.end_subscription(subscription.gateway_subscription_id, key)


def _of_wallets(event: UserEvent, after: Customer | None, wallets: Wallets, states: States) -> list[Facts]:
    """Wallets follow where their customer stands, not what was said: a word that changed nothing changes none of them."""
    if after is None:
        return []
    facts = []
    for wallet in wallets:
        state = states[wallet]
        assert state is not None, "found by its first fact"
        if after.standing is Standing.ACTIVE:
            facts.append(wallet.facts(*unfreeze(state, freeze_id=_freeze_id(event.customer_id))))
        else:
            facts.append(wallet.facts(*_frozen(after, state)))
    return facts


async def _wallets(event: UserEvent, store: EventStore) -> Wallets:
    return [WALLETS.at(wallet_id) for wallet_id in await store.owned(event.customer_id, "wal_")]


async def _sealing(event: UserEvent, context: Context, vault: Vault) -> Context:
    if not event.personal:
        return context
    try:
        return context.sealing(await vault.seal(event.customer_id, "contact", event.customer_id, event.personal))
    except Shredded:  # They were erased: nothing of theirs is kept any more.
        return context


def _freeze_id(customer_id: str) -> str:
    return f"customer/{customer_id}"
