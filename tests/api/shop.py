"""A project as tests need it: registered over HTTP, with its keys at hand."""

from dataclasses import dataclass
from typing import Any

import httpx

OPERATOR_TOKEN = "operator-token-of-the-tests"
OPERATOR = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}

PROJECT: dict[str, Any] = {
    "name": "Book Shop",
    "domain": "shop.example.com",
    "default_currency": "usd",
    "products": [
        {"id": "ebook", "name": "The E-Book", "price_id": "price_ebook"},
        {
            "id": "credits-1000",
            "name": "1,000 credits",
            "type": "api_credits",
            "price_id": "price_credits_1000",
            "credits": 1000,
            "credit_type": "api",
        },
    ],
    "success_url": "https://shop.example.com/thanks",
    "cancel_url": "https://shop.example.com/basket",
}
PAYMENT: dict[str, Any] = {"user_id": "user-42", "product_id": "ebook"}


@dataclass(frozen=True)
class Shop:
    client: httpx.AsyncClient
    answer: dict[str, Any]

    @property
    def project_id(self) -> str:
        return str(self.answer["project_id"])

    @property
    def secret_key(self) -> str:
        return str(self.answer["secret_key"])

    @property
    def auth(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.secret_key}"}

    @property
    def page(self) -> dict[str, str]:
        """What a browser on the project's own page sends."""
        return {"Authorization": f"Bearer {self.answer['publishable_key']}", "Origin": "https://shop.example.com"}

    async def pay(self, body: Any = PAYMENT, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.post("/api/v1/payments", json=body, headers={**self.auth, **named})


async def register(client: httpx.AsyncClient, **changes: Any) -> Shop:
    answer = await client.post("/api/v1/projects", json={**PROJECT, **changes}, headers=OPERATOR)
    assert answer.status_code == 201, answer.text
    return Shop(client, answer.json())


def error_of(answer: httpx.Response) -> dict[str, Any]:
    """The error of an answer, once its shape was looked at."""
    error: dict[str, Any] = answer.json()["error"]
    assert set(error) == {"type", "code", "message", "param", "details", "retry_after", "request_id"}
    assert error["request_id"] == answer.headers["Request-Id"]
    assert (error["retry_after"] is None) == ("Retry-After" not in answer.headers)
    return error
