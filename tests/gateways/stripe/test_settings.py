"""What a process reads from its environment to talk to Stripe."""

import pytest

from gateways.stripe.settings import StripeSettings
from runtime import postgres
from runtime.settings import SettingsInvalid, read

ENVIRON = {"STRIPE_SECRET_KEY": "sk_test_1", "STRIPE_WEBHOOK_SECRET": "whsec_1"}


def test_one_webhook_secret_or_several_may_be_in_force() -> None:
    assert read(StripeSettings, ENVIRON).stripe_webhook_secrets == ("whsec_1",)
    several = {**ENVIRON, "STRIPE_WEBHOOK_SECRET": "whsec_1, whsec_2"}
    assert read(StripeSettings, several).stripe_webhook_secrets == ("whsec_1", "whsec_2")


@pytest.mark.parametrize("base", [None, "http://127.0.0.1:12111"])
async def test_the_gateway_is_made_from_them_with_or_without_a_base(base: str | None) -> None:
    nowhere = postgres.pool("postgresql://127.0.0.1:1/nowhere", name="none", size=1)
    gateway = read(StripeSettings, {**ENVIRON, **({"STRIPE_API_BASE": base} if base else {})}).gateway(nowhere)

    assert gateway.name == "stripe"
    await gateway.close()


@pytest.mark.parametrize(
    ("given", "calls"),
    [
        ({}, 25),
        ({"STRIPE_SECRET_KEY": "sk_live_1"}, 100),
        ({"STRIPE_SECRET_KEY": "rk_live_1", "STRIPE_API_BASE": "https://api.stripe.com"}, 100),
        ({"STRIPE_API_BASE": "http://127.0.0.1:12111"}, None),
        ({"STRIPE_API_BASE": "http://127.0.0.1:12111", "STRIPE_CALLS_PER_SECOND": "40"}, 40),
        ({"STRIPE_SECRET_KEY": "sk_live_1", "STRIPE_CALLS_PER_SECOND": "500"}, 500),
    ],
)
def test_how_many_calls_the_account_takes_follows_from_its_key(given: dict[str, str], calls: int | None) -> None:
    assert read(StripeSettings, {**ENVIRON, **given}).calls_per_second == calls


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STRIPE_CALLS_PER_SECOND", "0"),
        ("STRIPE_SECRET_KEY", ""),
        ("STRIPE_WEBHOOK_SECRET", ""),
        ("STRIPE_WEBHOOK_SECRET", " , "),
        ("STRIPE_API_BASE", "stripe"),
    ],
)
def test_what_is_missing_or_malformed_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsInvalid, match=name):
        read(StripeSettings, {**ENVIRON, name: value})
