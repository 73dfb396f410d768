"""What callers want during a run: credits given, spent, held and captured, and payments. And which facts must come of it."""

import contextlib
import http.client
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tests.whole.shop import CARD, Shop

Fact = tuple[str, str]  # type, and the id that its answer names

CALLERS = 16

_COMMANDS_TO_A_WALLET = 50
_ANSWERED_WITHIN_SECONDS = 120.0
_ASK_AGAIN_SECONDS = 0.1
_WAIT_FOR_TROUBLE_SECONDS = 0.15
_WAIT_WITH_NOTHING_LEFT_SECONDS = 0.7


class Answer(NamedTuple):
    status: int
    body: dict[str, Any]
    replayed: bool


class _Callers(threading.local):
    """A connection for each thread: thousands of commands in seconds must cost the API's time, not ours."""

    def __init__(self, shop: Shop) -> None:
        self._headers = {**shop.headers, "Content-Type": "application/json"}
        self._connection = http.client.HTTPConnection(urlsplit(shop.platform.url).netloc, timeout=20)

    def post(self, path: str, body: Any, key: str) -> Answer:
        """Raises `OSError` or `http.client.HTTPException` where there is no answer."""
        try:
            self._connection.request(
                "POST", f"/api/v1{path}", json.dumps(body), {**self._headers, "Idempotency-Key": key}
            )
            response = self._connection.getresponse()
            text = response.read()
        except BaseException:
            self.close()
            raise
        return Answer(response.status, json.loads(text), response.headers["Idempotent-Replayed"] == "true")

    def close(self) -> None:
        """This thread's connection. The next post makes it anew."""
        self._connection.close()


class Errands:
    """At least so many commands, each sent until it is answered, under one key; more of them while the trouble lasts.

    `answered` counts the commands, `expected` the facts that they were told of.
    """

    def __init__(self, shop: Shop, seed: int, commands: int) -> None:
        self._shop = shop
        self._callers = _Callers(shop)
        self._seed = seed
        self._commands = commands
        self._wallets = 1 + commands // _COMMANDS_TO_A_WALLET
        self._noting = threading.Lock()
        self._next = 0
        self._sent: list[tuple[str, Any, str, Answer]] = []
        self.answered = 0
        self.expected: Counter[Fact] = Counter()

    def run(self, share: Callable[[], float]) -> None:
        """Do them all. `share` says how far the troubles have come: that part of the commands goes at full speed.

        What is ahead of the troubles goes slowly, so that there is always something under way when one comes.
        """
        with ThreadPoolExecutor(CALLERS) as callers:
            for caller in [callers.submit(self._call, share) for _ in range(CALLERS)]:
                caller.result()

    def repeat(self, count: int) -> None:
        """Send some commands once more: each is answered as it was, and nothing comes of it."""
        for path, body, key, first in random.Random(self._seed).sample(self._sent, min(count, len(self._sent))):
            again = self._callers.post(path, body, key)
            assert _said(again) == _said(first), f"{key} was answered {first}, and now {again}"
            assert again.replayed, f"{key} was done anew"
        self._callers.close()

    def _call(self, share: Callable[[], float]) -> None:
        with contextlib.closing(self._callers):
            while (how_far := share()) < 1 or self.answered < self._commands:
                if self.answered >= self._commands:
                    time.sleep(_WAIT_WITH_NOTHING_LEFT_SECONDS)
                elif self.answered >= self._commands * how_far:
                    time.sleep(_WAIT_FOR_TROUBLE_SECONDS)
                with self._noting:
                    number, self._next = self._next, self._next + 1
                self._errand(number)

    def _errand(self, number: int) -> None:
        chance = random.Random(f"{self._seed}/{number}")
        owner = {"user_id": f"user-{chance.randrange(self._wallets)}", "credit_type": "api"}
        kind = chance.choices(["grant", "consume", "hold", "pay"], [50, 30, 19, 1])[0]
        if kind == "grant":
            given = self._command(
                "/credits/grant", {**owner, "amount": 3, "reason": f"grant-{number}"}, number, "grant"
            )
            self._note("credits.granted", given["entry_id"])
        elif kind == "consume":
            spent = self._command("/credits/consume", {**owner, "amount": 1}, number, "consume")
            if "entry_id" in spent:
                self._note("credits.consumed", spent["entry_id"])
        elif kind == "hold":
            self._hold(owner, number, capture=chance.random() < 0.5)
        else:
            self._pay(owner["user_id"], number)

    def _hold(self, owner: dict[str, str], number: int, *, capture: bool) -> None:
        held = self._command("/credits/hold", {**owner, "amount": 1}, number, "hold")
        if "hold_id" not in held:
            return
        self._note("credits.held", held["hold_id"])
        end, fact = ("capture", "credits.hold_captured") if capture else ("release", "credits.hold_released")
        self._command(f"/credits/hold/{held['hold_id']}/{end}", {}, number, end)
        self._note(fact, held["hold_id"])

    def _pay(self, user_id: str, number: int) -> None:
        payment = self._command("/payments", {"user_id": user_id, "product_id": "pack"}, number, "order")
        self._note("payment.initiated", payment["payment_id"])
        self._shop.stripe(f"checkout/{payment['checkout_session_id']}/pay", CARD)
        self._note("payment.succeeded", payment["payment_id"])
        self._note("credits.purchased", payment["payment_id"])

    def _command(self, path: str, body: Any, number: int, what: str) -> dict[str, Any]:
        """The answer. Whether an unanswered one was carried out is not known: that is what the key is for."""
        key = f"{what}-{number}"
        deadline = time.monotonic() + _ANSWERED_WITHIN_SECONDS
        while True:
            try:
                answer = self._callers.post(path, body, key)
            except (OSError, http.client.HTTPException) as error:
                last: object = error
            else:
                if _is_final(answer, key):
                    with self._noting:
                        self.answered += 1
                        self._sent.append((path, body, key, answer))
                    return answer.body
                last = answer
            assert time.monotonic() < deadline, f"{key} was never answered: {last!r}"
            time.sleep(_ASK_AGAIN_SECONDS)

    def _note(self, type: str, id: str) -> None:
        with self._noting:
            self.expected[type, id] += 1


def _is_final(answer: Answer, key: str) -> bool:
    """Whether this is what was decided. The rest says to come back: no store, not our turn, the gateway not heard of yet."""
    if answer.status in (200, 201):
        return True
    if answer.status in (202, 503):
        return False
    code = answer.body["error"]["code"]
    assert code in ("insufficient_credits", "command_in_progress"), f"{key}: {answer}"
    return bool(code == "insufficient_credits")


def _said(answer: Answer) -> tuple[int, dict[str, Any]]:
    """What was answered. A refusal names the request that it answers besides, each time another."""
    error = answer.body.get("error")
    return answer.status, {**error, "request_id": ""} if error else answer.body
