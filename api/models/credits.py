"""Balances, as they are shown."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field


class BalanceAnswer(BaseModel):
    credit_type: str
    balance: int
    held: Annotated[int, Field(description="Set aside for what is not done yet.")]
    available: Annotated[int, Field(description="What can be spent now: never below zero.")]
    next_expiry: datetime | None


class CreditsAnswer(BaseModel):
    user_id: str
    balances: list[BalanceAnswer]


class CreditTotalAnswer(BaseModel):
    credit_type: str
    balance: int
    held: int
    available: int
    wallets: Annotated[int, Field(description="Customers who have credits of this type.")]


class ProjectCreditsAnswer(BaseModel):
    project_id: str
    balances: list[CreditTotalAnswer]
