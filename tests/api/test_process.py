"""The process itself: it says what it lacks, serves, and leaves when it is told to."""

import signal

import httpx
import pytest

from api.__main__ import greet
from gateways.stripe.client import StripeGateway
from tests.api.process import free_port, running
from tests.api.shop import OPERATOR, PROJECT


def test_it_serves_until_it_is_told_to_stop(environment: dict[str, str]) -> None:
    url = environment["TILLSTREAM_URL"]
    with running(environment) as process:
        process.wait_until_ready(url)
        registered = httpx.post(f"{url}/api/v1/projects", json=PROJECT, headers=OPERATOR)
        assert registered.status_code == 201
        assert registered.json()["environment_variables"]["TILLSTREAM_URL"] == url

        process.popen.send_signal(signal.SIGTERM)
        status, output = process.end()

    assert status == 0, output
    assert "Traceback" not in output
    assert '"route":"/api/v1/projects"' in output


def test_it_says_all_that_is_wrong_with_its_variables_at_once(environment: dict[str, str]) -> None:
    wrong = {
        "DATABASE_URL": "",
        "TILLSTREAM_MASTER_KEY": "c2hvcnQ=",
        "TILLSTREAM_OPERATOR_TOKEN": "guess",
        "STRIPE_WEBHOOK_SECRET": ",",
    }
    with running({**environment, **wrong}) as process:
        status, output = process.end()

    assert status == 1
    assert all(f"{variable}: " in output for variable in wrong)
    assert "Traceback" not in output
    assert "guess" not in output


def test_it_says_which_server_it_misses_and_how_to_start_it(environment: dict[str, str]) -> None:
    nowhere = f"postgresql://postgres@127.0.0.1:{free_port()}/postgres"
    with running({**environment, "DATABASE_URL": nowhere, "TILLSTREAM_STARTUP_SECONDS": "1"}) as process:
        status, output = process.end()

    assert status == 1
    assert "Postgres does not answer" in output
    assert "make up" in output
    assert "Traceback" not in output


def test_without_a_gateway_it_serves_and_says_how_to_get_one(environment: dict[str, str]) -> None:
    with running({**environment, "STRIPE_API_BASE": f"http://127.0.0.1:{free_port()}"}) as process:
        process.wait_until_ready(environment["TILLSTREAM_URL"])
        process.popen.send_signal(signal.SIGTERM)
        status, output = process.end()

    assert status == 0, output
    assert "Traceback" not in output


async def test_a_gateway_that_is_away_is_named_with_how_to_start_it(capsys: pytest.CaptureFixture[str]) -> None:
    gateway = StripeGateway("sk_test_nobody", [], f"http://127.0.0.1:{free_port()}")

    await greet(gateway)
    await gateway.close()

    said = capsys.readouterr().out
    assert "Stripe could not be reached" in said
    assert "python -m sandbox stripe" in said
