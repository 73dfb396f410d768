"""The public keys of signed checkpoints, as any reader fetches them."""

from collections.abc import Callable

import httpx
import psycopg

from api.state import Services
from eventlog import signatures
from eventlog.signatures import SigningKey

OLD, NEW = SigningKey(bytes(32)), SigningKey(bytes(range(32)))


async def test_every_key_that_ever_signed_is_shown_to_everybody_the_oldest_first(
    real_services: Services, client_of: Callable[[Services], httpx.AsyncClient], database_url: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        for key, day in ((NEW, "2026-03-02"), (OLD, "2026-03-01")):
            connection.execute(
                "INSERT INTO store.signing_keys VALUES (%s, %s, %s)", (key.public.id, key.public.raw, day)
            )

    async with client_of(real_services) as client:
        answer = await client.get("/checkpoints/keys")

    assert answer.status_code == 200
    assert list(signatures.from_jwks(answer.json())) == [OLD.public.id, NEW.public.id]


async def test_where_nothing_is_signed_there_are_no_keys(
    real_services: Services, client_of: Callable[[Services], httpx.AsyncClient]
) -> None:
    async with client_of(real_services) as client:
        assert (await client.get("/checkpoints/keys")).json() == {"keys": []}
