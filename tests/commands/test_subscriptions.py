"""Changing subscriptions at a Stripe that answers, refuses, goes silent and acts all the same."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from commands.open_requests import OpenRequest, RequestKind
from commands.ports import CommandInProgress, Context, IdempotencyKeyReused, Receipt
from commands.subscriptions import (
    CancelSubscription,
    ChangeSubscription,
    Command,
    PauseSubscription,
    ResumeSubscription,
    change_id_of,
    change_subscription,
)
from consumers import open_changes
from domain.errors import Refused
from domain.project.errors import PaymentTypeDoesNotFit, ProductUnknown
from domain.subscription import Status, SubscriptionChangeRefused, SubscriptionChangeRequested
from domain.subscription.changes import Proration
from domain.subscription.errors import (
    CurrencyDoesNotFit,
    NothingToResume,
    SubscriptionEnded,
    SubscriptionUnknown,
)
from gateways.stripe.client import StripeGateway
from tests.commands.payments import context
from tests.commands.subscriptions import SAVED_BUT_DECLINED, SUBSCRIBING_SHOP, Subscribed, clock, subscribe
from tests.samples import EBOOK
from tests.sandbox.stripe.lookalike import LookAlike
from vault.memory import MemoryVault

CALLS = "/v1/subscriptions/*"


@pytest.fixture
async def subscribed(gateway: StripeGateway, lookalike: LookAlike) -> Subscribed:
    found = await subscribe(gateway, lookalike)
    await found.catch_up()
    return found


@pytest.fixture
def vault() -> MemoryVault:
    return MemoryVault()


async def id_of(subscribed: Subscribed) -> str:
    return (await subscribed.subscription()).subscription_id


async def cancel(subscribed: Subscribed, **changes: Any) -> Command:
    usual = CancelSubscription(
        project=SUBSCRIBING_SHOP,
        subscription_id=await id_of(subscribed),
        at_period_end=True,
        reason="too expensive",
    )
    return replace(usual, **changes)


async def change(subscribed: Subscribed, **changes: Any) -> Command:
    usual = ChangeSubscription(
        project=SUBSCRIBING_SHOP,
        subscription_id=await id_of(subscribed),
        product_id="team",
        quantity=None,
        proration=Proration.NEXT_INVOICE,
        reason="needs more",
    )
    return replace(usual, **changes)


async def ask(
    subscribed: Subscribed,
    command: Command,
    vault: MemoryVault,
    asked: Context | None = None,
    gateway: StripeGateway | None = None,
) -> Receipt:
    service = subscribed.service
    asked = asked or context(now=await clock(subscribed.lookalike))
    return await change_subscription(
        command, asked, service.store, gateway or service.gateway, vault, service.open_requests
    )


# What can be asked for.


async def test_a_cancellation_is_asked_for_with_its_reason_and_runs_until_the_period_ends(
    subscribed: Subscribed, vault: MemoryVault
) -> None:
    receipt = await ask(subscribed, await cancel(subscribed), vault)

    standing = (await subscribed.subscription()).standing
    assert (receipt.answer["outcome"], receipt.answer["status"]) == ("done", "active")
    assert standing.cancel_at == standing.access_until == standing.current_period_end
    (asked,) = [event for event in subscribed.service.store.events if isinstance(event, SubscriptionChangeRequested)]
    assert (asked.action, asked.reason) == ("cancel_at_period_end", "too expensive")
    assert subscribed.service.told[-2:] == ["subscription.change_requested", "subscription.canceled"]


async def test_the_webhooks_that_follow_add_nothing(subscribed: Subscribed, vault: MemoryVault) -> None:
    await ask(subscribed, await cancel(subscribed), vault)
    before = replace((await subscribed.subscription()).standing, asked=False)

    await subscribed.catch_up()

    after = replace((await subscribed.subscription()).standing, asked=False)
    assert replace(after, stated_at=before.stated_at) == before
    assert Counter(subscribed.service.told)["subscription.canceled"] == 1


async def test_a_subscription_is_ended_at_once(subscribed: Subscribed, vault: MemoryVault) -> None:
    receipt = await ask(subscribed, await cancel(subscribed, at_period_end=False), vault)

    assert receipt.answer["status"] == "expired"
    assert (await subscribed.subscription()).ended
    assert (RequestKind.SUBSCRIPTION, await id_of(subscribed)) not in subscribed.service.open_requests.due_at


async def test_a_cancellation_is_taken_back(subscribed: Subscribed, vault: MemoryVault) -> None:
    await ask(subscribed, await cancel(subscribed), vault)
    back = ResumeSubscription(
        project=SUBSCRIBING_SHOP, subscription_id=await id_of(subscribed), reason="changed their mind"
    )

    receipt = await ask(subscribed, back, vault)

    assert (receipt.answer["cancel_at"], receipt.answer["access_until"]) == (None, None)
    assert subscribed.service.told[-1] == "subscription.resumed"


async def test_a_pause_ends_with_a_resumption(subscribed: Subscribed, vault: MemoryVault) -> None:
    named = {"project": SUBSCRIBING_SHOP, "subscription_id": await id_of(subscribed), "reason": "on leave"}

    paused = await ask(subscribed, PauseSubscription(**named), vault)  # type: ignore[arg-type]
    again = await ask(subscribed, PauseSubscription(**named), vault)  # type: ignore[arg-type]
    resumed = await ask(subscribed, ResumeSubscription(**named), vault)  # type: ignore[arg-type]

    statuses = [receipt.answer["status"] for receipt in (paused, again, resumed)]
    assert statuses == ["paused", "paused", "active"]
    assert Counter(subscribed.service.told)["subscription.change_requested"] == 2


async def test_a_plan_is_changed_and_made_up_for_later(subscribed: Subscribed, vault: MemoryVault) -> None:
    receipt = await ask(subscribed, await change(subscribed, quantity=3), vault)

    shown = (receipt.answer["product_id"], receipt.answer["quantity"], receipt.answer["amount"])
    assert shown == ("team", 3, 150_00)
    await subscribed.catch_up()
    assert Counter(subscribed.service.told)["payment.succeeded"] == 1


async def test_a_plan_is_changed_and_paid_for_at_once(subscribed: Subscribed, vault: MemoryVault) -> None:
    await subscribed.lookalike.advance(days=10)

    await ask(subscribed, await change(subscribed, proration=Proration.INVOICE_NOW), vault)
    await subscribed.catch_up()

    assert Counter(subscribed.service.told)["payment.succeeded"] == 2
    assert (await subscribed.subscription()).standing.product_id == "team"


async def test_the_same_product_in_another_quantity(subscribed: Subscribed, vault: MemoryVault) -> None:
    receipt = await ask(subscribed, await change(subscribed, product_id=None, quantity=5), vault)

    assert (receipt.answer["product_id"], receipt.answer["quantity"]) == ("pro", 5)


async def test_what_is_so_already_asks_nobody(subscribed: Subscribed, vault: MemoryVault, lookalike: LookAlike) -> None:
    await lookalike.control("faults", kind="server_error", path=CALLS, times=9)
    before = subscribed.service.told

    receipt = await ask(subscribed, await change(subscribed, product_id="pro", quantity=1), vault)

    assert receipt.answer["outcome"] == "done"
    assert subscribed.service.told == before


# What is refused.


async def test_what_has_ended_cannot_be_changed(subscribed: Subscribed, vault: MemoryVault) -> None:
    await ask(subscribed, await cancel(subscribed, at_period_end=False), vault)

    for command in (await cancel(subscribed), await change(subscribed)):
        with pytest.raises(SubscriptionEnded):
            await ask(subscribed, command, vault)


async def test_a_refusal_is_repeated_to_the_letter(subscribed: Subscribed, vault: MemoryVault) -> None:
    asked = context(now=await clock(subscribed.lookalike))
    back = ResumeSubscription(project=SUBSCRIBING_SHOP, subscription_id=await id_of(subscribed), reason="?")

    with pytest.raises(NothingToResume) as first:
        await ask(subscribed, back, vault, asked)
    with pytest.raises(Refused) as second:
        await ask(subscribed, back, vault, asked)

    assert second.value.message == first.value.message


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"product_id": "unknown"}, ProductUnknown),
        ({"product_id": "ebook"}, PaymentTypeDoesNotFit),
        ({"product_id": "yen"}, CurrencyDoesNotFit),
    ],
)
async def test_a_plan_that_does_not_fit_is_refused_before_anybody_is_asked(
    subscribed: Subscribed, vault: MemoryVault, changes: dict[str, Any], refusal: type[Exception]
) -> None:
    pro = SUBSCRIBING_SHOP.products["pro"]
    yen = replace(pro, product_id="yen", price=replace(pro.price, price_id="price_yen_monthly", currency="jpy"))
    project = replace(SUBSCRIBING_SHOP, products={**SUBSCRIBING_SHOP.products, "ebook": EBOOK, "yen": yen})
    before = subscribed.service.told

    with pytest.raises(refusal):
        await ask(subscribed, await change(subscribed, project=project, **changes), vault)
    assert subscribed.service.told == before


async def test_another_project_s_subscription_is_unknown(subscribed: Subscribed, vault: MemoryVault) -> None:
    foreign = replace(SUBSCRIBING_SHOP, project_id="prj_other")

    with pytest.raises(SubscriptionUnknown):
        await ask(subscribed, await cancel(subscribed, project=foreign), vault)


async def test_what_cannot_be_paid_at_once_changes_nothing_and_says_so_each_time(
    subscribed: Subscribed, vault: MemoryVault, lookalike: LookAlike
) -> None:
    await lookalike.advance(days=10)
    at_stripe = await lookalike.subscription(subscribed.gateway_subscription_id)
    await lookalike.use_card(str(at_stripe.customer), at_stripe.id, SAVED_BUT_DECLINED)
    asked = context(now=await clock(lookalike))
    command = await change(subscribed, proration=Proration.INVOICE_NOW)

    for _ in range(2):
        with pytest.raises(Refused) as refused:
            await ask(subscribed, command, vault, asked)
        assert refused.value.code == "payment_declined"

    (told,) = [event for event in subscribed.service.store.events if isinstance(event, SubscriptionChangeRefused)]
    assert told.code == "card_declined"
    assert (await subscribed.subscription()).standing.product_id == "pro"
    assert (await subscribed.service.gateway.read_subscription(at_stripe.id)).price.price_id == "price_pro_monthly"


async def test_the_same_key_with_another_wish_is_refused(subscribed: Subscribed, vault: MemoryVault) -> None:
    asked = context(now=await clock(subscribed.lookalike))
    await ask(subscribed, await cancel(subscribed), vault, asked)

    with pytest.raises(IdempotencyKeyReused):
        await ask(subscribed, await cancel(subscribed), vault, replace(asked, fingerprint=b"another"))


# Silence, and what is found out afterwards.


async def kept_for(subscribed: Subscribed, asked: Context) -> OpenRequest:
    id = change_id_of(asked.command_id)
    kept = await subscribed.service.open_requests.get(RequestKind.SUBSCRIPTION_CHANGE, id)
    assert kept is not None
    return kept


async def look_again(subscribed: Subscribed, asked: Context, vault: MemoryVault, after: timedelta) -> str:
    service, kept = subscribed.service, await kept_for(subscribed, asked)
    later = kept.context(asked.now + after, "system:reconciler")
    return await open_changes.resolve(kept, later, service.store, service.gateway, vault, service.open_requests)


WISHES = {
    "cancel": {"at_period_end": True},
    "cancel now": {"at_period_end": False},
}


@pytest.mark.parametrize(
    ("wish", "fault"),
    [
        *(("cancel now", fault) for fault in ("reset_before", "reset_after", "server_error", "server_error_after")),
        ("cancel", "reset_after"),
        ("change", "server_error_after"),
    ],
)
async def test_an_answer_that_never_came_is_found_out_and_the_change_made_once(
    subscribed: Subscribed, vault: MemoryVault, lookalike: LookAlike, wish: str, fault: str
) -> None:
    command = await (change(subscribed) if wish == "change" else cancel(subscribed, **WISHES[wish]))
    asked = context(now=await clock(lookalike))
    method = "DELETE" if wish == "cancel now" else "POST"
    await lookalike.control("faults", kind=fault, path=CALLS, method=method, times=9)

    first = await ask(subscribed, command, vault, asked)
    # A second call to end what has ended is refused as such, whatever became of the first: that is an answer.
    told = wish == "cancel now" and fault == "server_error_after"
    assert first.answer["outcome"] == ("done" if told else "unconfirmed")
    await lookalike.http.delete("/sandbox/faults")
    # A server error stands under its key for as long as that lives: then it is seen from how things are.
    late = timedelta(hours=24) if fault.startswith("server_error") and method == "POST" else timedelta(minutes=2)
    assert await look_again(subscribed, asked, vault, late) == "ended"

    again = await ask(subscribed, command, vault, asked)
    assert again.answer["outcome"] == "done"
    assert await look_again(subscribed, asked, vault, late) == "ended"
    known = (await subscribed.subscription()).standing
    at_stripe = await subscribed.service.gateway.read_subscription(subscribed.gateway_subscription_id)
    assert (known.stated_status, known.cancel_at, known.price_id) == (
        at_stripe.status.value,
        at_stripe.cancel_at,
        at_stripe.price.price_id,
    )
    if fault != "server_error" or method == "DELETE":
        assert await subscribed_changed(subscribed, wish)


async def subscribed_changed(subscribed: Subscribed, wish: str) -> bool:
    known = await subscribed.subscription()
    if wish == "change":
        return known.standing.product_id == "team"
    return known.ended if wish == "cancel now" else known.standing.cancel_at is not None


async def test_while_one_process_asks_another_waits(subscribed: Subscribed, vault: MemoryVault) -> None:
    asked = context(now=await clock(subscribed.lookalike))
    command = await cancel(subscribed)
    await ask(subscribed, command, vault, asked)
    kept = await kept_for(subscribed, asked)
    service = subscribed.service
    service.store._inbox.pop(asked.step("answered").command_id)  # as if the first had died before it could record
    assert await service.store.take_lease(asked.command_id, 30)

    with pytest.raises(CommandInProgress):
        await open_changes.resolve(kept, asked, service.store, service.gateway, vault, service.open_requests)


async def test_a_webhook_that_is_faster_than_the_answer_is_no_rival(
    subscribed: Subscribed, vault: MemoryVault, lookalike: LookAlike
) -> None:
    """The change is made, its answer lost, its webhook heard; then the same request goes out again."""
    asked = context(now=await clock(lookalike))
    command = await cancel(subscribed)
    await lookalike.control("faults", kind="reset_after", path=CALLS, method="POST", times=9)
    await ask(subscribed, command, vault, asked)
    await lookalike.http.delete("/sandbox/faults")
    await subscribed.catch_up()
    assert (await subscribed.subscription()).standing.cancel_at is not None

    receipt = await ask(subscribed, command, vault, asked)

    assert receipt.answer["outcome"] == "done"
    assert Counter(subscribed.service.told)["subscription.canceled"] == 1
    assert (await subscribed.subscription()).status is Status.ACTIVE
