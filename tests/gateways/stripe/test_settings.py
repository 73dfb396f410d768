"""What a process reads from its environment to talk to Stripe."""

import pytest

from gateways.stripe.settings import StripeSettings
from runtime.settings import SettingsInvalid, read

ENVIRON = {"STRIPE_SECRET_KEY": "sk_test_1", "STRIPE_WEBHOOK_SECRET": "whsec_1"}


def test_one_webhook_secret_or_several_may_be_in_force() -> None:
    assert read(StripeSettings, ENVIRON).stripe_webhook_secrets == ("whsec_1",)
    several = {**ENVIRON, "STRIPE_WEBHOOK_SECRET": "whsec_1, whsec_2"}
    assert read(StripeSettings, several).stripe_webhook_secrets == ("whsec_1", "whsec_2")


@pytest.mark.parametrize("base", [None, "http://127.0.0.1:12111"])
async def test_the_gateway_is_made_from_them_with_or_without_a_base(base: str | None) -> None:
    gateway = read(StripeSettings, {**ENVIRON, **({"STRIPE_API_BASE": base} if base else {})}).gateway()

    assert gateway.name == "stripe"
    await gateway.close()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STRIPE_SECRET_KEY", ""),
        ("STRIPE_WEBHOOK_SECRET", ""),
        ("STRIPE_WEBHOOK_SECRET", " , "),
        ("STRIPE_API_BASE", "stripe"),
    ],
)
def test_what_is_missing_or_malformed_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsInvalid, match=name):
        read(StripeSettings, {**ENVIRON, name: value})
