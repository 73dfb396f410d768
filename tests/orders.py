"""Every order in which a gateway may tell of one life: lived once at the look-alike, then told again and again.

A `Life` is what Stripe sent and what it answers once all is over. `tell_in_every_order` gives each order of its
authoritative webhooks a copy of the life with ids of its own, in one database: each webhook comes one to three times, as a
seed draws, several at a time, with the others of the flow strewn between. All copies must end alike, in the store and in the
read models.
"""

import asyncio
import dataclasses
import difflib
import json
import os
import random
import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from hashlib import sha256
from itertools import permutations
from typing import Any, cast

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row

from commands.interpretation import interpret
from commands.notices import command_id_of
from commands.open_requests import MemoryOpenRequests
from commands.ports import Context, Decided
from commands.store.postgres import PostgresStore
from domain.payment import PAYMENTS
from domain.project import PROJECTS, Project
from domain.project.registration import register
from domain.streams import Kind, Stream
from domain.subscription import SUBSCRIPTIONS
from domain.wallet import WALLETS, Clawback
from gateways.errors import NoticeUnmatched
from gateways.notices import Delivery
from gateways.port import Gateway
from runtime import postgres
from tests.api.reading import catch_up
from tests.commands.payments import SHOP

SEED = int(os.environ.get("TILLSTREAM_TEST_SEED", "20261125"))
AT_ONCE = 12  # copies that are told of at the same moment
MOST_AUTHORITATIVE = 6

Reading = psycopg.Connection[dict[str, Any]]

KINDS: Mapping[str, Kind[Any, Any]] = {kind.topic: kind for kind in (PAYMENTS, WALLETS, SUBSCRIPTIONS)}

# Ids of Stripe's and ours that a life names: every copy has its own of them. What derives from them follows.
_IDS = re.compile(
    r"\b(?:prj|pay|rfd|cs_test|pi|ch|py|re|du|dp|evt|txn|cus|pm|in|il|ii|inpay|sub|si|seti)_[A-Za-z0-9]{4,}\b"
)
_COPY = re.compile(r"Copy\d+\b")
_DERIVED = re.compile(r"\b([a-z]+)_[0-9a-f]{32}\b")

# The histories that led to an ending differ with the order, and so does what says when, or where in the log.
_HISTORIES = frozenset({"audit.facts", "credits.entries"})
_OF_NO_LIFE = ("projects",)
_OF_THE_TELLING = frozenset(
    {
        *("position", "version", "recorded_at", "created_at", "updated_at", "initiated_at", "granted_at"),
        *("entry_id", "revocations", "granted", "number"),  # How a wallet's entries came about.
        *("asked", "stated_at"),  # How a subscription's standing became known.
    }
)


@dataclass(frozen=True, kw_only=True)
class Life:
    """What happened once, in the gateway's words.

    `before` is what stands before its first word: facts of ours, and deliveries that always come first. `told` are the
    authoritative deliveries, `others` the rest of the flow. `gateway` answers as all of it has ended.
    """

    name: str
    before: Sequence[object]
    told: Sequence[Delivery]
    others: Sequence[Delivery]
    gateway: Gateway
    clawback: Clawback = Clawback.REMAINING_ONLY
    shop: Project = SHOP


def of_types(deliveries: Iterable[Delivery], *types: str) -> list[Delivery]:
    """The first delivery of each of these types, in this order."""
    found = list(deliveries)
    return [next(delivery for delivery in found if delivery.event_type == type) for type in types]


async def tell_in_every_order(life: Life, database_url: str, note: Callable[[str, object], None]) -> Mapping[str, Any]:
    """Tell it in all orders, and compare how they end. Returns the one ending.

    `note` is pytest's `record_property`: how many orders were tried is printed when the run is over.
    """
    assert len(life.told) <= MOST_AUTHORITATIVE, "the orders of more could not be told in reasonable time"
    orders = list(permutations(range(len(life.told))))
    async with _telling(life, database_url) as telling:
        room = asyncio.Semaphore(AT_ONCE)

        async def tell(number: int, order: Sequence[int]) -> None:
            async with room:
                await telling.tell(number, order)

        await asyncio.gather(*(tell(number, order) for number, order in enumerate(orders)))
        catch_up(database_url)
        with psycopg.connect(database_url, row_factory=dict_row) as reading:
            endings = [await telling.ending(number, reading) for number in range(len(orders))]
    for order, ending in zip(orders, endings, strict=True):
        if ending == endings[0]:
            continue  # A text of what differs costs more than the telling.
        names = ", ".join(life.told[place].event_type for place in order)
        differs = "\n".join(_difference(endings[0], ending))
        pytest.fail(f"{life.name} ends otherwise in the order {names} (TILLSTREAM_TEST_SEED={SEED}):\n{differs}")
    note("orders", f"{len(orders)} {life.name}")
    return endings[0]


def stored(ending: Mapping[str, Any], field: str) -> list[Any]:
    """The values of a field, wherever it stands in what is stored."""
    found: list[Any] = []

    def look(value: Any) -> None:
        if isinstance(value, list):
            if len(value) == 2 and value[0] == field:
                found.append(value[1])
            for inner in value:
                look(inner)

    look(ending["stored"])
    return found


def waves(order: Sequence[Delivery], others: Sequence[Delivery], chance: random.Random) -> Sequence[Sequence[Delivery]]:
    """What arrives at the same moment, moment after moment: each in its turn, and once or twice more where it is drawn.

    More often than not that is the same event again; else another event of the same change, as Stripe makes them at times.
    """
    found: list[list[Delivery]] = [[delivery] for delivery in order]
    for place, delivery in enumerate(order):
        for _ in range(chance.randrange(3)):
            again = _twin(delivery) if chance.random() < 0.4 else delivery
            found[chance.randrange(place, len(order))].append(again)
    for delivery in others:
        found[chance.randrange(len(order))].append(delivery)
    for wave in found:
        chance.shuffle(wave)
    return found


def _twin(delivery: Delivery) -> Delivery:
    id = f"{delivery.event_id}Twin"
    return dataclasses.replace(
        delivery, event_id=id, body=delivery.body.replace(delivery.event_id.encode(), id.encode())
    )


@asynccontextmanager
async def _telling(life: Life, database_url: str) -> AsyncIterator["_Telling"]:
    async with postgres.pool(database_url, name="orders", size=AT_ONCE) as pool:
        store = PostgresStore(pool)
        gateway = cast(Gateway, _Copies(life.gateway))
        yield _Telling(life, store, MemoryOpenRequests(), gateway)
        await store.close()


@dataclass(frozen=True)
class _Telling:
    """Where the copies live."""

    life: Life
    store: PostgresStore
    open_requests: MemoryOpenRequests
    gateway: Gateway

    async def tell(self, number: int, order: Sequence[int]) -> None:
        """One copy: what stands before, then wave after wave of webhooks."""
        names = _Names(number, self.gateway)
        await self._begin(names)
        for step in self.life.before:
            if isinstance(step, Delivery):
                await self._deliver(names, step)
            else:
                await self._record(names, names.own(step))
        chance, waiting = random.Random(f"{SEED}/{self.life.name}/{number}"), list[Delivery]()
        for wave in waves([self.life.told[place] for place in order], self.life.others, chance):
            heard = await asyncio.gather(*(self._deliver(names, delivery) for delivery in wave))
            waiting += [delivery for delivery, applied in zip(wave, heard, strict=True) if not applied]
        await self._sweep(names, waiting)

    async def _sweep(self, names: "_Names", waiting: Sequence[Delivery]) -> None:
        """Try again what waited for something else, until nothing comes of it any more. Which rows it waits in is no matter."""
        left = [delivery for delivery in waiting if not await self._deliver(names, delivery)]
        if len(left) < len(waiting):
            await self._sweep(names, left)

    async def ending(self, number: int, reading: Reading) -> Mapping[str, Any]:
        """How a copy stands in the store and in the read models, with the life's own ids and nothing of the telling."""
        names = _Names(number)
        streams = _streams(reading, names.project_id)
        stored = {f"{kind.topic}/{id}": await self.store.load(Stream(kind, id)) for kind, id in streams}
        ids = [names.project_id, *(id for _, id in streams)]
        return {"stored": _plain(stored), "shown": _plain(_rows(reading, ids))}

    async def _begin(self, names: "_Names") -> None:
        """The copy's own project, with the shop's products."""
        stream = PROJECTS.at(names.project_id)
        facts = register(
            None,
            project_id=names.project_id,
            name=SHOP.name,
            domain=SHOP.domain,
            default_currency=SHOP.default_currency,
            products=list(self.life.shop.products.values()),
            payment_types=None,
            features=None,
            clawback=self.life.clawback,
        )
        await self.store.record(names.context(), [stream], lambda _: Decided([stream.facts(*facts)], {}))

    async def _record(self, names: "_Names", fact: Any) -> None:
        stream = PAYMENTS.at(fact.payment_id)
        await self.store.record(names.context(), [stream], lambda _: Decided([stream.facts(fact)], {}))

    async def _deliver(self, names: "_Names", delivery: Delivery) -> bool:
        """Apply a webhook, as the route for them does once it is kept. False where it must wait for something else."""
        own = names.delivery(delivery)
        context = dataclasses.replace(
            names.context(),
            command_id=command_id_of(self.gateway.name, own),
            fingerprint=sha256(own.event_id.encode()).digest(),
            project_id="",
            actor="gateway:stripe",
        )
        try:
            await interpret(own.notice, context, self.store, self.gateway, self.open_requests)
        except NoticeUnmatched:
            return False
        return True


@dataclass(frozen=True)
class _Names:
    """One copy's own ids for all that the life names."""

    number: int
    gateway: Gateway | None = None
    read: dict[str, Delivery] = field(default_factory=dict)  # by the life's own id of the event

    @property
    def project_id(self) -> str:
        return f"{SHOP.project_id}Copy{self.number}"

    def delivery(self, told: Delivery) -> Delivery:
        """The copy's own, read anew, but once: it comes several times."""
        assert self.gateway is not None, "whoever has nothing delivered reads nothing"
        if told.event_id not in self.read:
            self.read[told.event_id] = self.gateway.reread(self.own(told.body))
        return self.read[told.event_id]

    def own(self, value: Any) -> Any:
        """The same with this copy's ids, whatever it is made of."""
        match value:
            case str() if not isinstance(value, Enum):
                return _IDS.sub(lambda found: f"{found[0]}Copy{self.number}", value)
            case bytes():
                return self.own(value.decode()).encode()
            case dict():
                return {self.own(key): self.own(inner) for key, inner in value.items()}
            case list() | tuple():
                return type(value)(self.own(inner) for inner in value)
        if not dataclasses.is_dataclass(value) or isinstance(value, type):
            return value
        parts = {part.name: self.own(getattr(value, part.name)) for part in dataclasses.fields(value)}
        return dataclasses.replace(value, **parts)

    def context(self) -> Context:
        command_id = uuid.uuid4()
        return Context(
            command_id=command_id,
            fingerprint=sha256(b"").digest(),
            project_id=self.project_id,
            actor="key:key_1",
            request_id=f"req_{command_id.hex}",
            causation_id=str(command_id),
            now=datetime.now(UTC),
        )


class _Copies:
    """The gateway as each copy sees it: asked by the copy's ids, it answers with them. What it said once it says again."""

    name = "stripe"

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._said: dict[tuple[str, str], asyncio.Future[Any]] = {}

    def reread(self, body: bytes) -> Delivery:
        return self._gateway.reread(body)

    def __getattr__(self, question: str) -> Callable[..., Awaitable[Any]]:
        async def ask(*about: Any) -> Any:
            copy = _COPY.search(repr(about))
            assert copy is not None, f"{question}{about} names nothing of a copy's"
            plain = tuple(_COPY.sub("", part) if isinstance(part, str) else part for part in about)
            return _Names(int(copy[0].removeprefix("Copy"))).own(await self._answer(question, plain))

        return ask

    async def _answer(self, question: str, about: tuple[Any, ...]) -> Any:
        key = (question, repr(about))
        if key not in self._said:
            self._said[key] = asyncio.ensure_future(getattr(self._gateway, question)(*about))
        return await self._said[key]


def _streams(reading: Reading, project_id: str) -> Sequence[tuple[Kind[Any, Any], str]]:
    found = reading.execute("SELECT DISTINCT topic, stream FROM store.events WHERE project_id = %s", [project_id])
    return [(KINDS[row["topic"]], row["stream"]) for row in found.fetchall() if row["topic"] in KINDS]


def _rows(reading: Reading, ids: Sequence[str]) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    """What every read model shows of these, by table, histories left out."""
    found = {}
    for table in reading.execute(_TABLES, [list(_OF_NO_LIFE)]).fetchall():
        name = f"{table['read_model']}.{table['table_name']}"
        if name not in _HISTORIES:
            query = sql.SQL("SELECT * FROM {} WHERE {} = ANY(%s)").format(
                sql.Identifier(table["schema"], table["table_name"]), sql.Identifier(table["key"])
            )
            found[name] = [{**row, **_as_shown(row)} for row in reading.execute(query, [ids]).fetchall()]
    return found


def _as_shown(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Columns that are empty until some fact speaks of them, as they are shown till then."""
    return {"frozen": bool(row["frozen"])} if "frozen" in row else {}


# Every table of a live generation, with the column by which what belongs to a project is found.
_TABLES = """
    SELECT DISTINCT ON (g.read_model, c.table_name)
           g.read_model, c.table_schema AS schema, c.table_name, c.column_name AS key
      FROM read.generations g
      JOIN information_schema.columns c ON c.table_schema = g.read_model || '_' || g.generation
     WHERE g.state = 'live' AND g.read_model <> ALL(%s)
       AND c.column_name IN ('project_id', 'payment_id', 'wallet_id', 'subscription_id')
     ORDER BY g.read_model, c.table_name, c.ordinal_position
"""


def _plain(value: Any) -> Any:
    """Something to compare: ids without their copy, what derives from them without its digits, all in one order."""
    match value:
        case Enum():
            return _plain(value.value)
        case str():
            return _DERIVED.sub(r"\1_…", _COPY.sub("", value))
        case datetime():
            return value.astimezone(UTC).isoformat()
        case Mapping():
            return sorted(([_plain(key), _plain(inner)] for key, inner in _telling_left_out(value)), key=json.dumps)
        case frozenset() | set() | list():
            return sorted((_plain(inner) for inner in value), key=json.dumps)
        case tuple():
            return [_plain(inner) for inner in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _plain({part.name: getattr(value, part.name) for part in dataclasses.fields(value)})
    return value


def _difference(expected: Any, found: Any) -> Iterable[str]:
    was, became = (json.dumps(ending, indent=1).splitlines() for ending in (expected, found))
    return difflib.unified_diff(was, became, "in Stripe's order", "in this order", lineterm="", n=2)


def _telling_left_out(value: Mapping[Any, Any]) -> Iterable[tuple[Any, Any]]:
    return ((key, inner) for key, inner in value.items() if key not in _OF_THE_TELLING)
