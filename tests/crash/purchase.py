"""The steps of one purchase of credits, from the request for a checkout to the row that shows the balance.

Further steps for `tests/crash/steps.py`: a process whose environment names this module under `steps.MORE` goes them too.
"""

import importlib
from collections.abc import Mapping
from typing import Any

from tests.crash import hastened
from tests.crash.steps import STEPS as ALL
from tests.crash.steps import Step

_SETTLE = ("commands.interpretation", "commands.invoices")
_HEAR = ("consumers.reactions",)

STEPS: Mapping[str, Step] = {
    "before the request is kept": Step("api", "before", "commands.open_requests:PostgresOpenRequests.add"),
    "before Stripe is asked": Step("api", "before", "gateways.stripe.client:StripeGateway.open_checkout"),
    "after Stripe has answered": Step("api", "after", "gateways.stripe.client:StripeGateway.open_checkout"),
    "before a webhook is kept": Step("api", "before", "commands.notices:PostgresNotices.keep"),
    "after a webhook is kept": Step("api", "after", "commands.notices:PostgresNotices.keep"),
    "before the money is recorded": Step("api", "before", "commands.settlement:settle", _SETTLE),
    "after the money is recorded": Step("api", "after", "commands.settlement:settle", _SETTLE),
    "after a webhook is marked": Step("api", "after", "commands.notices:PostgresNotices.settle"),
    "before the swept money is recorded": Step("reconciler", "before", "commands.settlement:settle", _SETTLE),
    "after the swept money is recorded": Step("reconciler", "after", "commands.settlement:settle", _SETTLE),
    "before a suspension is recorded": Step("reactions", "before", "commands.customers:hear_of_user", _HEAR),
    "after a suspension is recorded": Step("reactions", "after", "commands.customers:hear_of_user", _HEAR),
}

# (step, at which time of it the process dies). The commit of a purchase's first command, then that of its second.
DEATHS = [
    *((step, times) for times in (1, 2) for step in ALL if ALL[step].process == "api"),
    *((step, 1) for step in STEPS),
    *((step, 1) for step in ALL if ALL[step].process != "api"),
]

_LEASE_SECONDS = 2.0  # of a command whose process died while it asked Stripe


def hasten() -> None:
    """Whoever asks again need not wait half a minute for a lease of the dead, nor a group for its dead members."""
    asking: Any = importlib.import_module("commands.asking")
    assert asking.LEASE_SECONDS > _LEASE_SECONDS, "the lease is given elsewhere now"
    asking.LEASE_SECONDS = _LEASE_SECONDS
    kafka: Any = importlib.import_module("runtime.kafka")
    consumer = kafka.consumer
    session = int(hastened.SESSION_SECONDS * 1000)
    kafka.consumer = lambda *where, **config: consumer(*where, **{**config, "session_timeout_ms": session})
