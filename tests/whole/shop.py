"""A project as its own server sees Tillstream: over HTTP, with its key."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from sandbox.platform import Platform

CARD = {"card_number": "4242424242424242"}
PRODUCT = {
    "id": "pack",
    "name": "1,000 credits",
    "type": "api_credits",
    "price_id": "price_credits_1000",
    "credits": 1000,
    "credit_type": "api",
}
T = TypeVar("T")


@dataclass(frozen=True)
class Shop:
    platform: Platform
    http: httpx.Client
    key: str

    def post(self, path: str, body: Any, idempotency_key: str | None = None) -> httpx.Response:
        headers = {**self.headers, "Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        return self.http.post(f"{self.platform.url}/api/v1{path}", json=body, headers=headers)

    def get(self, path: str, **headers: str) -> Any:
        def ask() -> httpx.Response:
            return self.http.get(f"{self.platform.url}/api/v1{path}", headers={**self.headers, **headers})

        # Until a projector has just started, there are no read models, and the answer is to ask again in a moment.
        response = eventually(ask, lambda answer: answer.status_code != 503)
        assert response.status_code == 200, response.text
        return response.json()

    def order(self, user_id: str = "user-1", idempotency_key: str | None = None) -> httpx.Response:
        return self.post("/payments", {"user_id": user_id, "product_id": "pack"}, idempotency_key)

    def buy(self, user_id: str = "user-1") -> dict[str, Any]:
        """A payment that its customer has paid."""
        payment = self.order(user_id).json()
        self.stripe(f"checkout/{payment['checkout_session_id']}/pay", CARD)
        return dict(payment)

    def stripe(self, path: str, body: Any = None) -> Any:
        """A control call of the look-alike's."""
        base = self.platform.environment["STRIPE_API_BASE"]
        response = self.http.post(f"{base}/sandbox/{path}", json=body or {})
        assert response.is_success, response.text
        return response.json()

    def sessions(self) -> int:
        """How many checkouts there really are at Stripe."""
        base = self.platform.environment["STRIPE_API_BASE"]
        return int(self.http.get(f"{base}/sandbox/counts").json()["checkout_sessions"])

    def status(self, payment_id: str) -> str:
        return str(self.get(f"/payments/{payment_id}/status")["status"])

    def balance(self, user_id: str = "user-1") -> int:
        balances = self.get(f"/credits/{user_id}")["balances"]
        return int(balances[0]["balance"]) if balances else 0

    def actions(self, payment_id: str) -> list[str]:
        """The payment's facts, by name, in order."""
        return [entry["action"] for entry in self.get(f"/payments/{payment_id}/audit")["entries"]]

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


def register(platform: Platform, http: httpx.Client) -> Shop:
    response = http.post(
        f"{platform.url}/api/v1/projects",
        json={
            "name": "Charts",
            "domain": "charts.example",
            "default_currency": "usd",
            "success_url": "https://charts.example/thanks",
            "products": [PRODUCT],
        },
        headers={"Authorization": f"Bearer {platform.environment['TILLSTREAM_OPERATOR_TOKEN']}"},
    )
    assert response.status_code == 201, response.text
    return Shop(platform, http, response.json()["secret_key"])


def eventually(ask: Callable[[], T], holds: Callable[[T], bool] = bool, within_seconds: float = 30.0) -> T:
    """Ask until it holds what was waited for."""
    deadline = time.monotonic() + within_seconds
    while not holds(answer := ask()):
        assert time.monotonic() < deadline, f"still {answer!r} after {within_seconds} s"
        time.sleep(0.02)
    return answer
