"""Where the objects of the account live: one SQLite file, so that they outlast a restart."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.stripe.errors import StripeRefusal, no_such

JsonObject = dict[str, Any]

TABLES = """
create table if not exists objects (
    place integer primary key autoincrement,
    id text not null unique,
    object text not null,
    created integer not null,
    body text not null,
    hidden text not null
);
create index if not exists objects_by_kind on objects (object, place);
create index if not exists objects_by_time on objects (object, created);
create index if not exists objects_by_customer on objects (object, json_extract(body, '$.customer'));
create index if not exists objects_by_invoice on objects (object, json_extract(body, '$.invoice'));
create table if not exists notes (name text primary key, value text not null);
"""


@dataclass(frozen=True, kw_only=True)
class Page:
    """Which objects of a kind to list: newest first, at most `limit`, beside an id, within a time."""

    limit: int = 10
    after: str | None = None
    before: str | None = None
    created: Mapping[str, int] = field(default_factory=dict)  # gt, gte, lt, lte → second
    equal: Mapping[str, Any] = field(default_factory=dict)  # field of the body → what it must be
    among: Mapping[str, Sequence[str]] = field(default_factory=dict)  # field of the body → what it may be
    outside: Mapping[str, Sequence[str]] = field(default_factory=dict)  # field of the body → what it may not be
    above: Mapping[str, int] = field(default_factory=dict)  # field of the body → what it must exceed
    like: Mapping[str, str] = field(default_factory=dict)  # field of the body → pattern in which `*` is anything
    inside: Mapping[str, tuple[str, Any]] = field(
        default_factory=dict
    )  # array of the body → field of one element, value


COMPARISONS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


class Store:
    """Objects by id: a `body`, which Stripe would show, and what is `hidden` from callers.

    Used by one thread at a time. Everything written between `transaction()` and its end is written together.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        # Opened by the thread that builds the application, used by the one that serves it.
        self.connection = sqlite3.connect(folder / "stripe.sqlite3", check_same_thread=False, isolation_level=None)
        self.connection.executescript("pragma journal_mode = wal; pragma synchronous = normal;")
        self.connection.executescript(TABLES)

    def close(self) -> None:
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit at the end. A refusal that stands commits too; any other exception rolls back."""
        self.connection.execute("begin immediate")
        try:
            yield
        except StripeRefusal as refusal:
            self.connection.execute("commit" if refusal.stands else "rollback")
            raise
        except BaseException:
            self.connection.execute("rollback")
            raise
        self.connection.execute("commit")

    def add(self, body: JsonObject, **hidden: Any) -> JsonObject:
        self.connection.execute(
            "insert into objects (id, object, created, body, hidden) values (?, ?, ?, ?, ?)",
            (body["id"], body["object"], body["created"], json.dumps(body), json.dumps(hidden)),
        )
        return body

    def replace(self, body: JsonObject) -> JsonObject:
        """Write the body of an object that was read before."""
        self.connection.execute("update objects set body = ? where id = ?", (json.dumps(body), body["id"]))
        return body

    def remove(self, id: str) -> None:
        self.connection.execute("delete from objects where id = ?", (id,))

    def find(self, id: str) -> JsonObject | None:
        row = self.connection.execute("select body from objects where id = ?", (id,)).fetchone()
        return None if row is None else json.loads(row[0])

    def get(self, kind: str, id: str, param: str | None = None) -> JsonObject:
        """The object of that kind. Without one: 404 `resource_missing`, or 400 when a parameter named it."""
        body = self.find(id)
        if body is None or body["object"] != kind or (param is not None and body.get("deleted")):
            raise no_such(kind, id, param=param or "id", status=404 if param is None else 400)
        return body

    def hidden(self, id: str) -> JsonObject:
        row = self.connection.execute("select hidden from objects where id = ?", (id,)).fetchone()
        return {} if row is None else json.loads(row[0])

    def hide(self, id: str, **changes: Any) -> None:
        """Change some of what is hidden with an object."""
        hidden = self.hidden(id) | changes
        self.connection.execute("update objects set hidden = ? where id = ?", (json.dumps(hidden), id))

    def count(self, kind: str) -> int:
        row = self.connection.execute("select count(*) from objects where object = ?", (kind,)).fetchone()
        return int(row[0])

    def page(self, kind: str, page: Page) -> tuple[list[JsonObject], bool]:
        """One page of a kind, newest first, and whether there is more beyond it."""
        conditions, values = _conditions(kind, page)
        for edge, sign in ((page.after, "<"), (page.before, ">")):
            if edge is not None:
                conditions.append(f"place {sign} ?")
                values.append(self._place(kind, edge, "starting_after" if sign == "<" else "ending_before"))
        # Reading backwards from `before` takes its nearest neighbours, which are then turned round.
        direction = "asc" if page.before is not None else "desc"
        sql = f"select body from objects where {' and '.join(conditions)} order by place {direction} limit ?"  # noqa: S608 - conditions are ours, values are bound
        rows = self.connection.execute(sql, (*values, page.limit + 1)).fetchall()
        found = [json.loads(row[0]) for row in rows[: page.limit]]
        return (found[::-1] if page.before is not None else found), len(rows) > page.limit

    def every(self, kind: str, **equal: Any) -> list[JsonObject]:
        """All of a kind whose fields are as given, oldest first."""
        conditions, values = _conditions(kind, Page(equal=equal))
        sql = f"select body from objects where {' and '.join(conditions)} order by place"  # noqa: S608 - as above
        return [json.loads(row[0]) for row in self.connection.execute(sql, values)]

    def _place(self, kind: str, id: str, param: str) -> int:
        self.get(kind, id, param)
        row = self.connection.execute("select place from objects where id = ?", (id,)).fetchone()
        return int(row[0])

    def note(self, name: str) -> str | None:
        row = self.connection.execute("select value from notes where name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def write_note(self, name: str, value: str) -> None:
        self.connection.execute("insert or replace into notes (name, value) values (?, ?)", (name, value))


def _conditions(kind: str, page: Page) -> tuple[list[str], list[Any]]:
    conditions: list[str] = ["object = ?"]
    values: list[Any] = [kind]
    for comparison, second in page.created.items():
        conditions.append(f"created {COMPARISONS[comparison]} ?")
        values.append(second)
    for name, value in page.equal.items():
        conditions.append(f"json_extract(body, '$.{name}') is ?")
        values.append(value)
    for name, choices in page.among.items():
        conditions.append(f"json_extract(body, '$.{name}') in ({', '.join('?' * len(choices))})")
        values.extend(choices)
    for name, banned in page.outside.items():
        conditions.append(f"json_extract(body, '$.{name}') not in ({', '.join('?' * len(banned))})")
        values.extend(banned)
    for name, floor in page.above.items():
        conditions.append(f"json_extract(body, '$.{name}') > ?")
        values.append(floor)
    for name, pattern in page.like.items():
        conditions.append(f"json_extract(body, '$.{name}') glob ?")
        values.append(pattern)
    for name, (element, value) in page.inside.items():
        elements = f"select json_extract(value, '$.{element}') from json_each(body, '$.{name}')"  # noqa: S608 - ours
        conditions.append(f"? in ({elements})")
        values.append(value)
    return conditions, values
