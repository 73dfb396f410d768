"""The oracle of refunds: a payment's money at its gateway and at home, in plain Python without facts."""

from dataclasses import dataclass, field

PRICE = 10_00
RANKS = {"requested": 0, "pending": 1, "succeeded": 2, "failed": 3, "canceled": 3}
GIVEN_BACK = ("pending", "succeeded")  # what a gateway counts, so that nobody gets back more than they paid


@dataclass
class AtGateway:
    """A refund as the gateway has it, and as it ever had it. `asked_as` is our id, where we asked for it."""

    id: str
    amount: int
    asked_as: str | None
    states: list[str]

    @property
    def status(self) -> str:
        return self.states[-1]


@dataclass
class AtHome:
    """A refund as we know of it. `claimed` are the credits that went with its money, spent or not."""

    amount: int
    status: str
    at_gateway: str | None = None
    claimed: int = 0


@dataclass
class Counter:
    """One payment of `PRICE`, over whose counter money goes back."""

    credits: int
    gateway: dict[str, AtGateway] = field(default_factory=dict)
    home: dict[str, AtHome] = field(default_factory=dict)

    # What the gateway does: it alone moves money.

    @property
    def left_there(self) -> int:
        return PRICE - sum(each.amount for each in self.gateway.values() if each.status in GIVEN_BACK)

    def make(self, id: str, amount: int, asked_as: str | None, status: str) -> bool:
        """Whether the gateway made it: never more than what was paid."""
        if amount > self.left_there:
            return False
        self.gateway[id] = AtGateway(id, amount, asked_as, ["pending", status] if status != "pending" else ["pending"])
        return True

    # What we make of it.

    @property
    def back(self) -> int:
        return sum(each.amount for each in self.home.values() if each.status == "succeeded")

    @property
    def set_aside(self) -> int:
        return sum(each.amount for each in self.home.values() if RANKS[each.status] < RANKS["succeeded"])

    @property
    def left(self) -> int:
        return max(0, PRICE - self.back - self.set_aside)

    def name_of(self, told: AtGateway) -> str | None:
        """Under which id we know it; None where it is new to us."""
        known = next((id for id, each in self.home.items() if each.at_gateway == told.id), None)
        asked = self.home.get(told.asked_as) if told.asked_as else None
        return known or (told.asked_as if asked is not None and asked.at_gateway is None else None)

    def is_news(self, name: str | None, status: str) -> bool:
        known = self.home.get(name) if name else None
        return known is None or known.at_gateway is None or RANKS[known.status] < RANKS[status]

    def is_unheard(self, told: AtGateway) -> bool:
        return self.is_news(self.name_of(told), told.status)

    @property
    def unasked(self) -> list[str]:
        """What we want to give back, and have not asked the gateway for."""
        asked = {each.asked_as for each in self.gateway.values()}
        return [id for id, each in self.home.items() if each.status == "requested" and id not in asked]

    def credits_due(self, name: str | None, amount: int) -> int:
        """How many credits go along once this has gone back, after those that others took."""
        others = [each for id, each in self.home.items() if id != name]
        back = amount + sum(each.amount for each in others if each.status == "succeeded")
        return max(0, self.credits * min(back, PRICE) // PRICE - sum(each.claimed for each in self.home.values()))
