"""The life of a subscription: whatever order its gateway's words come in, it ends the same."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import permutations

import pytest

from domain.product import ProductType
from domain.subscription import (
    SUBSCRIPTIONS,
    Stated,
    Status,
    Subscription,
    SubscriptionCanceled,
    SubscriptionCreated,
    SubscriptionEvent,
    SubscriptionExpired,
    SubscriptionPaused,
    SubscriptionPaymentFailed,
    SubscriptionRenewed,
    SubscriptionResumed,
    SubscriptionUpdated,
    Verdict,
    changes,
    lapse,
)
from domain.subscription.changes import Action, Proration, Wanted
from domain.subscription.errors import QuantityDoesNotFit, SubscriptionIncomplete
from domain.subscription.invoices import close, fail, renew
from domain.subscription.statements import begin, follow, product_id_at, weigh
from tests.subscribing import GRACE, SHOP, TEAM_PRICE, checkout_payment, ended, invoice, month, stated

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
Word = Callable[[Subscription], Sequence[SubscriptionEvent]]


def begun(first: Stated | None = None) -> Subscription:
    return after(None, beginning(first or stated()))


def beginning(first: Stated, at: datetime | None = None) -> Sequence[SubscriptionEvent]:
    return begin(checkout_payment(), first, product_id=sold(first), stated_at=at or month(1), asked=False, grace=GRACE)


def sold(said: Stated) -> str:
    return product_id_at(SHOP, checkout_payment(), said.price.price_id)


def after(subscription: Subscription | None, facts: Sequence[SubscriptionEvent]) -> Subscription:
    folded = SUBSCRIPTIONS.fold(facts, subscription)
    assert folded is not None
    return folded


def told(subscription: Subscription, said: Stated, at: datetime) -> Sequence[SubscriptionEvent]:
    """The facts that a statement comes to, where it is news beyond doubt."""
    verdict = weigh(subscription, said, at)
    assert verdict is not Verdict.UNCLEAR
    if verdict is Verdict.NOTHING_NEW:
        return []
    return follow(subscription, said, product_id=sold(said), stated_at=at, asked=False, grace=GRACE)


def states(said: Stated, at: datetime) -> Word:
    return lambda subscription: told(subscription, said, at)


def pays(period: int) -> Word:
    return lambda subscription: renew(
        subscription, invoice(period), payment_id=f"pay_{period}", credits=0, credit_type="", grace=GRACE
    )


def fails(period: int, attempt: int = 1, *, awaits_customer: bool = False) -> Word:
    retry_at = month(period) + (attempt * 2) * DAY
    return lambda subscription: fail(
        subscription,
        invoice(period),
        attempt=attempt,
        retry_at=retry_at,
        awaits_customer=awaits_customer,
        grace=GRACE,
    )


def hears(subscription: Subscription, *words: Word) -> Subscription:
    for word in words:
        subscription = after(subscription, word(subscription))
    return subscription


# Beginning.


def test_a_checkout_begins_a_subscription() -> None:
    (fact,) = beginning(stated())

    assert isinstance(fact, SubscriptionCreated)
    assert fact.subscription_id.startswith("sub_")
    assert (fact.user_id, fact.product_id, fact.payment_id) == ("u1", "pro", "pay_1")
    assert (fact.status, fact.amount_minor, fact.current_period_end) == ("active", 20_00, month(2))
    assert fact.access_until is None


@pytest.mark.parametrize(
    ("price_id", "product_id"),
    [("price_pro_monthly", "pro"), ("price_team_monthly", "team"), ("price_of_old", "price_of_old")],
)
def test_a_subscription_is_to_what_was_bought_what_is_sold_or_the_price_itself(price_id: str, product_id: str) -> None:
    assert product_id_at(SHOP, checkout_payment(), price_id) == product_id


def test_what_is_over_when_it_becomes_known_began_all_the_same() -> None:
    facts = beginning(ended(1, month(2)), month(2))

    assert [type(fact) for fact in facts] == [SubscriptionCreated, SubscriptionExpired]


def test_two_gateways_ids_are_two_subscriptions() -> None:
    one, other = begun(), begun(stated(gateway_subscription_id="sub_2"))

    assert one.subscription_id != other.subscription_id


# Statements: which are news.


def test_a_newer_statement_holds() -> None:
    assert weigh(begun(), stated(2), month(2)) is Verdict.NEWER


def test_an_older_one_does_not() -> None:
    subscription = hears(begun(), states(stated(2), month(2)))

    assert weigh(subscription, stated(1), month(1)) is Verdict.NOTHING_NEW


def test_the_same_of_the_same_second_is_no_news() -> None:
    assert weigh(begun(), stated(), month(1)) is Verdict.NOTHING_NEW


def test_of_two_that_differ_within_a_second_nobody_can_tell_which_is_newer() -> None:
    assert weigh(begun(), stated(status=Status.INCOMPLETE), month(1)) is Verdict.UNCLEAR


def test_once_the_gateway_was_asked_another_statement_may_be_older_than_its_answer() -> None:
    answer = follow(begun(), stated(2), product_id="pro", stated_at=month(1) + HOUR, asked=True, grace=GRACE)
    subscription = after(begun(), answer)

    assert weigh(subscription, stated(quantity=2), month(1) + 2 * HOUR) is Verdict.UNCLEAR
    assert weigh(subscription, stated(2), month(1) + 2 * HOUR) is Verdict.NEWER


def test_a_newer_statement_that_says_the_same_is_noted_for_what_comes_late() -> None:
    """Active, past due, active again: without a note of the last, the second would win where it comes after it."""
    again = hears(begun(), states(stated(), month(1) + 2 * DAY))
    (fact,) = told(begun(), stated(), month(1) + 2 * DAY)

    assert isinstance(fact, SubscriptionUpdated)
    assert fact.changed == ()
    assert weigh(again, stated(status=Status.PAST_DUE), month(1) + DAY) is Verdict.NOTHING_NEW


def test_an_end_is_final_whenever_it_was_said() -> None:
    subscription = hears(begun(), states(stated(2), month(2)), states(ended(1, month(2)), month(1)))

    assert subscription.status is Status.EXPIRED
    assert weigh(subscription, stated(3), month(3)) is Verdict.NOTHING_NEW


# Statements: which facts they come to.


@pytest.mark.parametrize(
    ("before", "now", "fact"),
    [
        (stated(), stated(2), SubscriptionUpdated),
        (stated(), stated(quantity=5), SubscriptionUpdated),
        (stated(), stated(status=Status.PAST_DUE), SubscriptionUpdated),
        (stated(), stated(cancel_at=month(2)), SubscriptionCanceled),
        (stated(cancel_at=month(2)), stated(), SubscriptionResumed),
        (stated(cancel_at=month(2)), stated(cancel_at=month(3)), SubscriptionUpdated),
        (stated(), stated(status=Status.PAUSED), SubscriptionPaused),
        (stated(status=Status.PAUSED), stated(), SubscriptionResumed),
        (stated(cancel_at=month(2)), ended(1, month(2), cancel_at=month(2)), SubscriptionExpired),
        (stated(status=Status.PAUSED), ended(1, month(2)), SubscriptionExpired),
        (
            stated(status=Status.INCOMPLETE),
            stated(status=Status.INCOMPLETE_EXPIRED, ended_at=month(2), end_reason="never_paid"),
            SubscriptionExpired,
        ),
    ],
)
def test_a_statement_becomes_the_fact_that_tells_best_what_changed(before: Stated, now: Stated, fact: type) -> None:
    (found,) = told(begun(before), now, month(1) + HOUR)

    assert type(found) is fact


def test_an_update_names_what_changed() -> None:
    (fact,) = told(begun(), stated(price=TEAM_PRICE, quantity=2), month(1) + HOUR)

    assert isinstance(fact, SubscriptionUpdated)
    assert fact.changed == ("product_id", "price_id", "quantity", "amount_minor")
    assert (fact.product_id, fact.amount_minor) == ("team", 100_00)


# Invoices.


def test_an_invoice_renews_once() -> None:
    subscription = hears(begun(), pays(2))

    assert pays(2)(subscription) == []
    (fact,) = pays(3)(subscription)
    assert isinstance(fact, SubscriptionRenewed)
    assert (fact.invoice_id, fact.period_start, fact.period_end) == ("in_3", month(3), month(4))


def test_retries_of_a_failed_invoice_are_told_once_each_and_the_last_one_shows() -> None:
    subscription = hears(begun(), fails(2, 1), fails(2, 3))

    assert fails(2, 2)(subscription) == []
    assert fails(2, 3)(subscription) == []
    assert subscription.standing.failed_attempts == 3
    assert subscription.standing.next_attempt_at == month(2) + 6 * DAY


def test_word_of_a_failure_that_comes_after_the_payment_is_too_late() -> None:
    assert fails(2)(hears(begun(), pays(2))) == []


def test_a_payment_clears_what_failed_before_it() -> None:
    subscription = hears(begun(), fails(2, 1), pays(2))

    assert (subscription.standing.failed_attempts, subscription.standing.next_attempt_at) == (0, None)


def test_an_attempt_that_waits_for_the_customer_is_told_of_before_or_after_its_failure() -> None:
    for words in ([fails(2), fails(2, awaits_customer=True)], [fails(2, awaits_customer=True), fails(2)]):
        subscription = hears(begun(), *words)
        assert (subscription.standing.failed_attempts, subscription.standing.action_required) == (1, True)
        assert subscription.owed_invoice_id == "in_2"

        assert not hears(subscription, fails(2, 2)).standing.action_required, "the next attempt failed otherwise"
        paid = hears(subscription, pays(2))
        assert (paid.standing.action_required, paid.owed_invoice_id) == (False, None)


def test_an_invoice_that_is_voided_is_owed_no_more() -> None:
    subscription = hears(begun(), fails(2), lambda known: close(known, "in_2", GRACE))

    assert subscription.standing.failed_attempts == 0
    assert close(subscription, "in_2", GRACE) == []
    assert fails(2, 2)(subscription) == []


def test_what_was_written_off_may_be_paid_after_all() -> None:
    subscription = hears(begun(), lambda known: close(known, "in_2", GRACE))

    assert [type(fact) for fact in pays(2)(subscription)] == [SubscriptionRenewed]


# Access.


PAST_DUE = states(stated(2, status=Status.PAST_DUE), month(2) + HOUR)


def test_in_good_standing_no_end_is_in_sight() -> None:
    assert begun().standing.access_until is None


def test_what_is_canceled_gives_access_until_it_ends() -> None:
    assert begun(stated(cancel_at=month(2))).standing.access_until == month(2)


def test_while_a_payment_fails_access_goes_on_for_the_grace_period_after_what_was_paid_for() -> None:
    subscription = hears(begun(), PAST_DUE, fails(2))

    assert subscription.standing.access_until == month(2) + GRACE


def test_what_is_owed_for_several_periods_is_owed_since_the_first() -> None:
    late = states(stated(3, status=Status.PAST_DUE), month(3) + HOUR)

    assert hears(begun(), late, fails(3), fails(2)).standing.access_until == month(2) + GRACE


def test_a_past_due_subscription_whose_invoice_is_not_known_yet_is_owed_for_since_its_period_began() -> None:
    assert hears(begun(), PAST_DUE).standing.access_until == month(2) + GRACE


def test_once_it_is_paid_access_goes_on() -> None:
    subscription = hears(begun(), PAST_DUE, fails(2), pays(2), states(stated(2), month(2) + 2 * DAY))

    assert subscription.standing.access_until is None


def test_ended_at_once_it_gives_no_access_any_more() -> None:
    at = month(1) + 10 * DAY

    assert begun(ended(1, at)).standing.access_until == at


@pytest.mark.parametrize("given_up_after", [HOUR, 21 * DAY])
def test_one_that_ended_for_want_of_payment_keeps_its_grace_period_and_no_more(given_up_after: timedelta) -> None:
    at = month(2) + given_up_after

    subscription = hears(begun(), fails(2), states(ended(2, at, "payment_failed"), at))

    assert subscription.standing.access_until == month(2) + GRACE


def test_a_grace_period_ends_by_time_alone() -> None:
    subscription = hears(begun(), PAST_DUE, fails(2))
    assert lapse(subscription, month(2) + GRACE - timedelta(seconds=1)) == []

    (fact,) = lapse(subscription, month(2) + GRACE)

    assert isinstance(fact, SubscriptionExpired)
    assert (fact.status, fact.stated_status, fact.end_reason) == ("expired", "past_due", "grace_ended")
    over = after(subscription, [fact])
    assert over.lapsed
    assert lapse(over, month(3)) == []


def lapsed() -> Subscription:
    subscription = hears(begun(), PAST_DUE, fails(2))
    return after(subscription, lapse(subscription, month(2) + GRACE))


def test_what_lapsed_stays_so_while_it_is_owed() -> None:
    subscription = hears(lapsed(), fails(2, 2), states(stated(2, status=Status.UNPAID), month(2) + 9 * DAY))

    assert (subscription.status, subscription.stated_status) == (Status.EXPIRED, Status.UNPAID)


def test_what_lapsed_resumes_once_it_is_paid() -> None:
    (fact,) = told(hears(lapsed(), pays(2)), stated(2), month(2) + 9 * DAY)

    assert isinstance(fact, SubscriptionResumed)
    assert (fact.status, fact.end_reason, fact.access_until) == ("active", None, None)


def test_what_lapsed_and_then_ends_at_the_gateway_is_over_for_good() -> None:
    at = month(2) + 21 * DAY

    (fact,) = told(lapsed(), ended(2, at, "payment_failed"), at)

    assert isinstance(fact, SubscriptionUpdated)
    assert (fact.ended_at, fact.access_until) == (at, month(2) + GRACE)


def test_a_new_debt_after_a_lapse_has_a_grace_period_of_its_own() -> None:
    """The payment between the two and word of the third month's failure may come in any order."""
    third = states(stated(3, status=Status.PAST_DUE), month(3) + HOUR)
    active = states(stated(2), month(2) + 9 * DAY)
    ends = {_seen(hears(lapsed(), *words)) for words in permutations([pays(2), active, third, fails(3)])}

    ((status, access_until, *_),) = ends
    assert (status, access_until) == (Status.PAST_DUE, month(3) + GRACE)


# Every order.


def _seen(subscription: Subscription) -> tuple[object, ...]:
    """What anybody can see of it: not which words it rests on."""
    known = replace(subscription.standing, asked=False)
    paid = (subscription.paid, subscription.closed, tuple(sorted(subscription.unpaid)))
    return (known.status, known.access_until, known, *paid)


LIVES: dict[str, Sequence[Word]] = {
    "renewal": [
        states(stated(1), month(1)),
        states(stated(2), month(2)),
        pays(2),
        states(stated(3), month(3)),
        pays(3),
    ],
    "failed renewal, recovered": [
        states(stated(2), month(2)),
        fails(2, 1),
        states(stated(2, status=Status.PAST_DUE), month(2) + HOUR),
        fails(2, 2),
        pays(2),
        states(stated(2), month(2) + 3 * DAY),
    ],
    "failed renewal, given up": [
        states(stated(2), month(2)),
        fails(2, 1),
        states(stated(2, status=Status.PAST_DUE), month(2) + HOUR),
        fails(2, 2),
        states(ended(2, month(2) + 7 * DAY, "payment_failed"), month(2) + 7 * DAY),
    ],
    "cancel, taken back, cancel": [
        states(stated(1, cancel_at=month(2)), month(1) + DAY),
        states(stated(1), month(1) + 2 * DAY),
        states(stated(1, cancel_at=month(2)), month(1) + 3 * DAY),
        states(ended(1, month(2), cancel_at=month(2)), month(2)),
        pays(1),
    ],
    "plans": [
        states(stated(1, price=TEAM_PRICE), month(1) + DAY),
        states(stated(1, price=TEAM_PRICE, quantity=3), month(1) + 2 * DAY),
        states(stated(1), month(1) + 3 * DAY),
        states(stated(1, status=Status.PAUSED), month(1) + 4 * DAY),
        states(stated(2), month(2)),
        pays(2),
    ],
}


@pytest.mark.parametrize("life", LIVES)
def test_every_order_of_a_life_ends_the_same(life: str) -> None:
    in_order = _seen(hears(begun(), *LIVES[life]))

    for order in permutations(LIVES[life]):
        twice = [word for word in order for _ in (1, 2)]
        assert _seen(hears(begun(), *twice)) == in_order


def test_late_word_of_a_paid_invoice_does_not_open_it_again() -> None:
    subscription = hears(begun(), pays(2), fails(2))

    assert not subscription.unpaid
    (fact,) = fails(3)(subscription)
    assert isinstance(fact, SubscriptionPaymentFailed)


# What a project asks for.


def test_a_cancellation_that_stands_is_not_asked_for_again() -> None:
    assert changes.cancel(begun(stated(cancel_at=month(2))), at_period_end=True) is None
    assert changes.cancel(begun(stated(cancel_at=month(2))), at_period_end=False) == Wanted(action=Action.CANCEL)
    assert changes.cancel(begun(stated(cancel_at=month(9))), at_period_end=True) is not None


def test_what_lapsed_can_still_be_ended_for_it_may_still_be_charged() -> None:
    assert changes.cancel(lapsed(), at_period_end=False) == Wanted(action=Action.CANCEL)


def test_what_is_not_paid_for_yet_can_be_ended_and_nothing_else() -> None:
    incomplete = begun(stated(status=Status.INCOMPLETE))

    assert changes.cancel(incomplete, at_period_end=False) is not None
    with pytest.raises(SubscriptionIncomplete):
        changes.pause(incomplete)
    with pytest.raises(SubscriptionIncomplete):
        changes.change(incomplete, None, 2, Proration.NONE)


def test_only_what_differs_is_asked_for() -> None:
    team = SHOP.products["team"]

    assert changes.change(begun(), team, 1, Proration.NONE) == Wanted(
        action=Action.CHANGE, price_id="price_team_monthly", quantity=None, proration=Proration.NONE
    )
    assert changes.change(begun(), SHOP.products["pro"], 2, Proration.NEXT_INVOICE) == Wanted(
        action=Action.CHANGE, quantity=2, proration=Proration.NEXT_INVOICE
    )
    assert changes.change(begun(), SHOP.products["pro"], 1, Proration.NONE) is None


def test_usage_has_no_quantity() -> None:
    metered = replace(SHOP.products["team"], type=ProductType.METERED)

    with pytest.raises(QuantityDoesNotFit):
        changes.change(begun(), metered, 3, Proration.NONE)


def test_a_wish_leaves_things_as_they_are_until_it_is_granted() -> None:
    before = begun()

    facts = changes.request(before, Wanted(action=Action.PAUSE), change_id="chg_1", product_id=None, reason="on leave")
    facts += changes.refuse(before, "chg_1", "not_now")

    assert after(before, facts) == before
