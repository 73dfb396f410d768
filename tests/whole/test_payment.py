"""One payment through everything, and what people and networks do to it on its way."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from sandbox.platform import Platform
from tests.whole.shop import CARD, Shop, eventually

SESSIONS = "/v1/checkout/sessions"


def test_a_payment_is_paid_seen_and_told(shop: Shop, published: Any) -> None:
    payment = shop.buy()
    payment_id = payment["payment_id"]

    _ends(shop, payment_id, "succeeded")
    eventually(shop.balance, lambda balance: balance == 1000)

    told = ["payment.initiated", "payment.checkout_opened", "payment.succeeded", "credits.purchased"]
    eventually(lambda: shop.actions(payment_id), lambda actions: actions == told)
    records = eventually(published, lambda found: sum(record["ce_subject"] == payment_id for record in found) == 3)
    positions = sorted(int(record["ce_position"]) for record in records)
    assert positions == list(range(1, len(positions) + 1))


def test_a_read_that_sends_the_token_back_sees_its_own_write(shop: Shop) -> None:
    for _ in range(20):
        response = shop.order()
        token = response.headers["Consistency-Token"]
        payment = shop.get(f"/payments/{response.json()['payment_id']}", **{"Consistency-Token": token})
        assert payment["status"] == "checkout_opened"


def test_fifty_posts_at_once_under_one_key_are_one_payment(shop: Shop) -> None:
    before = shop.sessions()

    with ThreadPoolExecutor(50) as callers:
        answers = list(callers.map(lambda _: shop.order(idempotency_key="the-one"), range(50)))

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert shop.sessions() == before + 1
    assert len({answer.headers["Consistency-Token"] for answer in answers}) == 1


def test_an_api_killed_between_our_commit_and_stripe_s_answer_leaves_one_payment(
    shop: Shop, platform: Platform
) -> None:
    before = shop.sessions()
    shop.stripe("faults", {"kind": "hang_after", "path": SESSIONS, "method": "POST", "seconds": 5})

    def order() -> str:
        try:
            return shop.order(idempotency_key="killed").text
        except httpx.TransportError as error:
            return type(error).__name__

    with ThreadPoolExecutor(1) as caller:
        asked = caller.submit(order)
        eventually(shop.sessions, lambda sessions: sessions == before + 1)
        os.kill(platform.parts.pid("api"), signal.SIGKILL)
        assert "pay_" not in asked.result()
    httpx.delete(f"{platform.environment['STRIPE_API_BASE']}/sandbox/faults", trust_env=False)

    answer = eventually(lambda: _retried(shop), lambda found: found is not None and found.status_code == 201, 60)
    assert answer is not None
    assert shop.sessions() == before + 1
    told = ["payment.initiated", "payment.checkout_opened"]
    eventually(lambda: shop.actions(answer.json()["payment_id"]), lambda actions: actions == told)


def _retried(shop: Shop) -> httpx.Response | None:
    try:
        return shop.order(idempotency_key="killed")
    except httpx.TransportError:
        return None


def test_webhooks_three_times_at_once_and_before_our_own_record_buy_once(shop: Shop) -> None:
    """Stripe acts, then its answer hangs: the customer pays meanwhile, and the webhooks overtake our own record."""
    shop.stripe("faults", {"kind": "hang_after", "path": SESSIONS, "method": "POST", "seconds": 3})
    before = shop.sessions()
    with ThreadPoolExecutor(1) as caller:
        asked = caller.submit(shop.order)
        eventually(shop.sessions, lambda sessions: sessions == before + 1)
        session_id = _newest_session(shop)
        shop.stripe(f"checkout/{session_id}/pay", CARD)
        event_id = eventually(lambda: _completed(shop, session_id))
        outcomes = shop.stripe(f"events/{event_id}/deliver", {"copies": 3})["outcomes"]
        answer = asked.result()

    assert set(outcomes) == {"200"}
    payment_id = answer.json()["payment_id"]
    assert answer.status_code == 201
    assert answer.json()["checkout_session_id"] == session_id
    _ends(shop, payment_id, "succeeded")
    eventually(shop.balance, lambda balance: balance == 1000)
    time.sleep(0.5)
    assert shop.balance() == 1000
    assert shop.actions(payment_id).count("payment.succeeded") == 1


def _newest_session(shop: Shop) -> str:
    base, key = shop.platform.environment["STRIPE_API_BASE"], shop.platform.environment["STRIPE_SECRET_KEY"]
    listed = shop.http.get(f"{base}{SESSIONS}", params={"limit": 1}, auth=(key, "")).json()
    return str(listed["data"][0]["id"])


def _completed(shop: Shop, session_id: str) -> str | None:
    base, key = shop.platform.environment["STRIPE_API_BASE"], shop.platform.environment["STRIPE_SECRET_KEY"]
    listed = shop.http.get(f"{base}/v1/events", params={"limit": 40}, auth=(key, "")).json()["data"]
    found = [event["id"] for event in listed if event["data"]["object"]["id"] == session_id]
    return found[0] if found else None


def test_a_cancel_against_a_customer_who_is_just_paying_never_loses_the_money(shop: Shop) -> None:
    for _ in range(8):
        payment = shop.order().json()
        session = payment["checkout_session_id"]
        paid: list[int] = []

        def pay(session: str = session, paid: list[int] = paid) -> None:
            base = shop.platform.environment["STRIPE_API_BASE"]
            answer = httpx.post(f"{base}/sandbox/checkout/{session}/pay", json=CARD, trust_env=False)
            paid.append(answer.status_code)

        customer = threading.Thread(target=pay)
        customer.start()
        canceled = shop.post(f"/payments/{payment['payment_id']}/cancel", {})
        customer.join()

        if paid == [200]:
            assert canceled.status_code == 409
            _ends(shop, payment["payment_id"], "succeeded")
        else:
            assert canceled.status_code == 200, canceled.text
            _ends(shop, payment["payment_id"], "canceled")


def _ends(shop: Shop, payment_id: str, as_: str) -> None:
    eventually(lambda: shop.status(payment_id), lambda status: status == as_)


def test_a_decline_and_a_second_try_are_one_payment(shop: Shop, platform: Platform) -> None:
    payment = shop.order().json()
    base = platform.environment["STRIPE_API_BASE"]
    pay = f"{base}/sandbox/checkout/{payment['checkout_session_id']}/pay"

    assert shop.http.post(pay, json={"card_number": "4000000000009995"}).status_code == 402
    eventually(
        lambda: "payment.attempt_failed" in shop.actions(payment["payment_id"])
    )  # After the money it is no news.
    assert shop.http.post(pay, json=CARD).status_code == 200

    told = {"payment.attempt_failed", "payment.succeeded"}
    eventually(lambda: set(shop.actions(payment["payment_id"])), lambda actions: told <= actions)
    assert shop.status(payment["payment_id"]) == "succeeded"


def test_a_debit_is_processing_until_its_money_comes(shop: Shop) -> None:
    payment = shop.order().json()
    checkout = f"checkout/{payment['checkout_session_id']}"
    shop.stripe(f"{checkout}/pay", {"iban": "AT611904300234573201", "settle_after_seconds": 600})
    _ends(shop, payment["payment_id"], "processing")
    assert shop.balance() == 0

    shop.stripe(f"{checkout}/settle", {"outcome": "succeed"})

    _ends(shop, payment["payment_id"], "succeeded")
    eventually(shop.balance, lambda balance: balance == 1000)


def test_an_expired_page_ends_the_payment(shop: Shop) -> None:
    payment = shop.order().json()

    shop.stripe(f"checkout/{payment['checkout_session_id']}/expire")

    _ends(shop, payment["payment_id"], "expired")


def test_nothing_that_names_a_person_is_in_a_fact_a_log_or_a_topic(shop: Shop, platform: Platform) -> None:
    email = "countess.lovelace@example.com"
    payment = shop.post("/payments", {"user_id": "u-7", "product_id": "pack", "email": email}).json()
    shop.stripe(f"checkout/{payment['checkout_session_id']}/pay", CARD)
    _ends(shop, payment["payment_id"], "succeeded")

    for log in platform.folders.logs.glob("*.log"):
        if log.name != "stripe.log":
            assert email not in log.read_text(), log.name
    data = platform.folders.data
    for file in [*(data / "kafka").rglob("*.log"), *(data / "postgres").rglob("*")]:
        if file.is_file():
            assert email.encode() not in file.read_bytes(), file
