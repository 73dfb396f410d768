"""A year of one subscription in some seconds: what `make year` shows, as its customer's audit trail.

Ada subscribes to Pro. A card fails and is replaced, she changes to Team, and gets one payment back. Months pass by Stripe's
clock, which the look-alike moves; everything else is the service as it always runs.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
from rich.console import Console

from sandbox.calls import WAIT_SECONDS, Call, answer, caller, until

USER = "ada"
MONTHS = 12
CARD_FAILS_IN, PLAN_CHANGES_IN, REFUND_IN = 4, 7, 10  # months, the first is 1
AN_INVOICE_IS_A_DRAFT_FOR = 2 * 3600  # An hour of it, and the time to be paid.
PLANS = [
    {"id": "pro", "name": "Pro", "type": "subscription", "price_id": "price_pro_monthly", "credits": 500},
    {"id": "team", "name": "Team", "type": "subscription", "price_id": "price_team_monthly", "credits": 2000},
]
SHOP = {
    "name": "Chart API",
    "domain": "charts.example",
    "default_currency": "usd",
    "success_url": "https://charts.example/thanks",
    "products": [{**plan, "credit_type": "charts"} for plan in PLANS],
}


@dataclass(frozen=True, slots=True)
class Stripe:
    """The look-alike: what its own API knows, as somebody at its dashboard sees and does it, and its clock."""

    http: httpx.Client
    url: str
    key: str

    def get(self, path: str, **parameters: str) -> Any:
        return answer(self.http.get(f"{self.url}/v1/{path}", params=parameters, auth=(self.key, "")))

    def post(self, path: str, **form: str) -> Any:
        return answer(self.http.post(f"{self.url}/v1/{path}", data=form, auth=(self.key, "")))

    def control(self, path: str, **told: Any) -> Any:
        return answer(self.http.post(f"{self.url}/sandbox/{path}", json=told))

    def advance_to(self, moment: int) -> None:
        """Everything that is due until then happens, and its webhooks are sent."""
        self.control("clock/advance", to=moment)
        self.control("deliveries/settle", within_seconds=WAIT_SECONDS)

    @property
    def day(self) -> str:
        now = answer(self.http.get(f"{self.url}/sandbox/clock"))["now"]
        return datetime.fromtimestamp(now, UTC).date().isoformat()


@dataclass(frozen=True, slots=True)
class Entry:
    """One fact of the trail. `day` is Stripe's when it became known; `says` all that is known of its subject then."""

    day: str
    position: int
    action: str
    subject: str
    says: Mapping[str, Any]


@dataclass(slots=True)
class Year:
    """Lived by `live`, once. `operator` calls the API as its operator, `project` gives calls with a project's key."""

    operator: Call
    project: Callable[[str], Call]
    stripe: Stripe
    _days: list[tuple[int, str]] = field(default_factory=list)  # Up to which position it was which day.

    def live(self) -> Sequence[Entry]:
        """Every fact of Ada's year, in order. Raises `StoryFailed` where something else comes than should."""
        call = self.project(self.operator("POST", "/api/v1/projects", SHOP)["secret_key"])
        payment = call("POST", "/api/v1/payments", {"user_id": USER, "product_id": "pro"})
        at_stripe = self._pay(payment["checkout_session_id"])
        subscription = self._await(call, "active", payments=1)
        self._note(call)
        for month in range(1, MONTHS + 1):
            if month == PLAN_CHANGES_IN:
                change = {"product_id": "team", "proration": "none", "reason": "the team grows"}
                call("POST", f"/api/v1/subscriptions/{subscription['subscription_id']}/change", change)
            if month == CARD_FAILS_IN:
                self._fail(call, at_stripe, paid=month)
            else:
                self._renew(at_stripe)
            subscription = self._await(call, "active", payments=month + 1)
            if month == REFUND_IN:
                self._refund(call, self.payments(call)[0]["payment_id"])
            self._note(call)
        return list(self._entries(call))

    def payments(self, call: Call) -> list[dict[str, Any]]:
        """Ada's, the newest first."""
        found: list[dict[str, Any]] = call("GET", f"/api/v1/payments?user_id={USER}&limit=100")["payments"]
        return found

    def _pay(self, checkout_id: str) -> str:
        self.stripe.control(f"checkout/{checkout_id}/pay", card_number="4242424242424242")
        return str(self.stripe.get(f"checkout/sessions/{checkout_id}")["subscription"])

    def _renew(self, at_stripe: str) -> None:
        (item,) = self.stripe.get(f"subscriptions/{at_stripe}")["items"]["data"]
        self.stripe.advance_to(item["current_period_end"] + AN_INVOICE_IS_A_DRAFT_FOR)

    def _fail(self, call: Call, at_stripe: str, paid: int) -> None:
        """Nobody is charged until Ada gives another card; then Stripe's next attempt succeeds."""
        self._use("pm_card_chargeCustomerFail", at_stripe)
        self._renew(at_stripe)
        self._await(call, "past_due", payments=paid)
        self._note(call)
        self._use("pm_card_visa", at_stripe)
        invoice = self.stripe.get(f"subscriptions/{at_stripe}")["latest_invoice"]
        self.stripe.advance_to(self.stripe.get(f"invoices/{invoice}")["next_payment_attempt"] + 60)

    def _use(self, card: str, at_stripe: str) -> None:
        customer = self.stripe.get(f"subscriptions/{at_stripe}")["customer"]
        method = self.stripe.post(f"payment_methods/{card}/attach", customer=customer)
        self.stripe.post(f"subscriptions/{at_stripe}", default_payment_method=method["id"])

    def _refund(self, call: Call, payment_id: str) -> None:
        call("POST", f"/api/v1/payments/{payment_id}/refund", {"reason": "requested_by_customer"})
        until(
            lambda: call("GET", f"/api/v1/payments/{payment_id}"),
            lambda payment: payment["amount_refunded"] == payment["amount"],
            "the refund to be recorded",
        )

    def _await(self, call: Call, status: str, *, payments: int) -> Any:
        """The subscription, once it stands so, so many payments are shown, and each has brought its credits."""
        until(lambda: len(self.payments(call)), lambda found: found == payments, f"{payments} payments")
        shown = until(
            lambda: call("GET", f"/api/v1/subscriptions/{USER}")["subscriptions"],
            lambda found: [subscription["status"] for subscription in found] == [status],
            f"the subscription to be {status}",
        )
        told = {"credits.purchased": payments, "subscription.renewed": payments - 1}
        until(lambda: _counts(call, *told), lambda found: found == told, f"all facts of {payments} payments")
        return shown[0]

    def _note(self, call: Call) -> None:
        """Remember up to where the trail goes today: its own times are those at which it was recorded, a second ago."""
        self._days.append((max(row["position"] for row in _trail(call)), self.stripe.day))

    def _entries(self, call: Call) -> Iterator[Entry]:
        """The trail with the day of each fact. The project's own facts are not Ada's."""
        known: dict[str, dict[str, Any]] = {}
        for row in _trail(call):
            if row["resource_type"] != "project":
                says = known.setdefault(row["resource_id"], {})
                says |= row["new_values"]
                day = next((day for last, day in self._days if row["position"] <= last), self._days[-1][1])
                yield Entry(day, row["position"], row["action"], row["resource_id"], dict(says))


def tell(environment: Mapping[str, str], console: Console) -> None:
    """Live it with the platform that runs there, and show it. Its Stripe is a year older afterwards."""
    with httpx.Client(timeout=WAIT_SECONDS, trust_env=False) as http:
        url = environment["TILLSTREAM_URL"]
        stripe = Stripe(http, environment["STRIPE_API_BASE"], environment["STRIPE_SECRET_KEY"])
        operator = caller(http, url, environment["TILLSTREAM_OPERATOR_TOKEN"])
        show(Year(operator, lambda key: caller(http, url, key), stripe).live(), console)


def show(entries: Sequence[Entry], console: Console) -> None:
    """Print the trail with a sentence for each fact, and what it all came to."""
    console.print("\nAda's year, as the audit trail has it. Days are Stripe's:\n")
    day = ""
    for entry in entries:
        shown, day = entry.day if entry.day != day else "", entry.day
        line = f"[bold]{shown:<12}[/]{entry.position:>4}  [cyan]{entry.action:<30}[/]{sentence(entry)}"
        console.print(line, soft_wrap=True)
    console.print(f"\n{summary(entries)}", soft_wrap=True)


def sentence(entry: Entry) -> str:
    """What a fact says, for people."""
    write = _SENTENCES.get(entry.action)
    return write(entry.says) if write else ""


def summary(entries: Sequence[Entry]) -> str:
    """Payments and credits, added up from the facts alone."""

    def total(action: str, what: str) -> int:
        return sum(entry.says[what] for entry in entries if entry.action == action)

    actions = [entry.action for entry in entries]
    balance = [entry.says["balance"] for entry in entries if entry.action.startswith("credits.")][-1]
    return (
        f"{actions.count('payment.succeeded')} invoices, as many payments: "
        f"{_money(total('payment.succeeded', 'amount_minor'))} in, {_money(total('payment.refunded', 'amount_minor'))} back."
        f" Credits: {total('credits.purchased', 'amount')} bought, {total('credits.revoked', 'amount')} taken back,"
        f" {balance} left."
    )


def _trail(call: Call) -> Iterator[dict[str, Any]]:
    page: dict[str, Any] = {"next_cursor": ""}
    while page["next_cursor"] is not None:
        cursor = f"&cursor={page['next_cursor']}" if page["next_cursor"] else ""
        page = call("GET", f"/api/v1/audit?limit=100{cursor}")
        yield from page["entries"]


def _counts(call: Call, *actions: str) -> dict[str, int]:
    """How often the trail has each of these."""
    trail = [row["action"] for row in _trail(call)]
    return {action: trail.count(action) for action in actions}


def _money(minor: int) -> str:
    return f"{minor / 100:.2f} USD"


def _day(moment: str) -> str:
    return moment[:10]


_SENTENCES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "payment.initiated": lambda said: f"{_money(said['amount_minor'])} for {said['product_id']}",
    "payment.checkout_opened": lambda _: "a page on which it can be paid",
    "payment.succeeded": lambda said: f"{_money(said['amount_minor'])} are there",
    "payment.refund_requested": lambda _: "it is to go back",
    "payment.refunded": lambda said: f"{_money(said['amount_minor'])} went back",
    "credits.purchased": lambda said: f"{said['amount']:+} credits: {said['balance']}",
    "credits.revoked": lambda said: f"{-said['amount']:+} credits: {said['balance']}",
    "subscription.created": lambda said: f"to {said['product_id']}, until {_day(said['current_period_end'])}",
    "subscription.updated": lambda said: (
        f"{said['status']}, {said['product_id']}, period until {_day(said['current_period_end'])}"
        + (f", access until {_day(said['access_until'])}" if said["access_until"] else "")
    ),
    "subscription.renewed": lambda said: f"paid until {_day(said['period_end'])}",
    "subscription.payment_failed": lambda said: f"attempt {said['attempt']}; tried again {_day(said['retry_at'])}",
    "subscription.change_requested": lambda said: f"to {said['wanted_product_id']}: {said['reason']}",
}
