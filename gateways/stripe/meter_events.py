"""Use as Stripe's meters count it: which meter a price has, and whose customer is told of."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, Self, TypeVar

from stripe.params.billing import MeterEventCreateParams

from gateways.errors import GatewayRefused
from gateways.port import UsageReport
from gateways.stripe.translation.fields import (
    Plain,
    ShapeUnknown,
    inner,
    optional_object,
    optional_text,
    reference,
    text,
)

REMEMBERED = 10_000

Known = TypeVar("Known")


class NoMeter(GatewayRefused):
    """A price that no meter counts for."""

    code = "price_without_meter"

    def __init__(self, price_id: str) -> None:
        super().__init__(
            f"Price {price_id!r} has no meter: what is used of it is not counted. Sell a price with one.",
            param="price_id",
        )


@dataclass(frozen=True, slots=True)
class Meter:
    """What events a meter counts, and where in them it finds whose they are, and how much."""

    event_name: str
    customer_key: str
    value_key: str

    @classmethod
    def of(cls, meter: Plain) -> Self:
        return cls(
            text(meter, "event_name"),
            text(inner(meter, "customer_mapping"), "event_payload_key"),
            text(inner(meter, "value_settings"), "event_payload_key"),
        )

    def event(self, report: UsageReport, customer: str) -> MeterEventCreateParams:
        return {
            "event_name": self.event_name,
            "identifier": report.identifier,
            "payload": {self.customer_key: customer, self.value_key: str(report.quantity)},
            "timestamp": int(report.used_at.timestamp()),
        }


def meter_id(price: Plain) -> str:
    """Raises `NoMeter`."""
    recurring = optional_object(price, "recurring")
    meter = None if recurring is None else optional_text(recurring, "meter")
    if meter is None:
        raise NoMeter(text(price, "id"))
    return meter


def customer_of(subscription: Plain) -> str:
    customer = reference(subscription, "customer")
    if customer is None:
        raise ShapeUnknown(subscription, "customer")
    return customer


def is_known_already(refusal: GatewayRefused) -> bool:
    """Whether Stripe refused an event because it has counted it before. It has no code for that, or one of two."""
    code = refusal.details.get("gateway_code")
    return code == "duplicate_meter_event" or "already exists with identifier" in refusal.message


class Remembered(Generic[Known]):
    """What never changes at Stripe, asked for once: the meter of a price, the customer of a subscription."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Known] = OrderedDict()

    async def get(self, id: str, ask: Callable[[str], Awaitable[Known]]) -> Known:
        if id not in self._known:
            self._known[id] = await ask(id)
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        self._known.move_to_end(id)
        return self._known[id]
