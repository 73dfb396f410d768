"""Whether the service is well, as it is shown."""

from typing import Literal

from pydantic import BaseModel


class HealthAnswer(BaseModel):
    status: Literal["ok"]
