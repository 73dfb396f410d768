"""Durable commands over HTTP, beside pgbench running the same append statement, one command to a transaction."""

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from uuid import UUID

from benchmarks import commanding, workload
from benchmarks.row import Claim, Figures, Row, Sides
from benchmarks.servers import Servers
from commands.store.append import TRUSTED
from commands.store.rows import event_row
from domain.wallet import CreditsGranted
from sandbox.postgres import binary

_CLIENTS = 64
_SECONDS = 2.5

_PARAMETER = re.compile(r"%\((\w+)\)b")
_RATE = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)

# A number of its own for each transaction: every id is made of it, in the form that the store gives to its ids.
_NUMBER = r"\set number random(1, 9223372036854775806)"
_DIGITS = "lpad(to_hex(:number::bigint), 32, '0')"


@contextmanager
def prepare(servers: Servers, share: float) -> Iterator[Sides]:
    seconds = max(0.5, _SECONDS * share)
    with commanding.shop(servers) as (database_url, api), tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "append.sql"
        file.write_text(script())
        yield Sides(ceiling=partial(run, database_url, file, seconds), ours=partial(commanding.grant, api, seconds))


def script() -> str:
    """What one client does over and over: a grant to a new wallet, in the very statement that the API sends."""
    values = _values()
    return f"{_NUMBER}\n{_PARAMETER.sub(lambda found: values[found[1]], TRUSTED.decode())};\n"


def run(database_url: str, file: Path, seconds: float, clients: int = _CLIENTS) -> Figures:
    """`rate`: transactions a second, connecting left out. Prepared, and planned for any parameters, as the API has it."""
    command = [
        *(binary("pgbench"), "--no-vacuum", "--protocol=prepared", f"--file={file}"),
        *(f"--client={clients}", "--jobs=1", f"--time={1 + round(seconds)}", database_url),
    ]
    options = {**os.environ, "PGOPTIONS": "-c plan_cache_mode=force_generic_plan", "LC_ALL": "C"}
    done = subprocess.run(command, env=options, capture_output=True, text=True, check=False, timeout=seconds + 60)
    found = _RATE.search(done.stdout)
    if done.returncode != 0 or found is None or "number of failed transactions: 0 (" not in done.stdout:
        raise RuntimeError(f"pgbench did not do what it was asked for: {done.stderr.strip() or done.stdout.strip()}")
    return {"rate": float(found[1])}


def _values() -> Mapping[str, str]:
    """The statement's parameters as SQL: of one command, one fact, one sealed record, two streams looked at."""
    uuid, text, empty = f"ARRAY[{_DIGITS}::uuid]", "ARRAY[{}]".format, "'{}'"
    wallet = f"'wal_' || {_DIGITS}"
    payload = _payload().hex()
    return {
        "unit": "ARRAY[0]",
        "command_id": uuid,
        "project_id": text(f"'{workload.PROJECT_ID}'"),
        "fingerprint": text(r"'\x" + "ab" * 32 + "'::bytea"),
        "answer": text(
            f"""'{{"entry_id": "ent_' || {_DIGITS} || '", "amount": 5, "priority": 100, "expires_at": null, """
            """"user_id": "u1000", "credit_type": "api", "balance": 5, "held": 0, "available": 5}'"""
        ),
        "refusal": "ARRAY[NULL]",
        "versions": text(f"""'{{"' || {wallet} || '": 1}}'"""),
        "recorded_at": "ARRAY[clock_timestamp()]",
        "actor": text("'key' || chr(58) || 'key_1'"),  # pgbench takes every colon before a word for a variable's.
        "request_id": text(f"'req_' || {_DIGITS}"),
        "causation_id": text(_DIGITS),
        "fact_command_id": uuid,
        "stream": text(wallet),
        "version": "ARRAY[1]",
        "topic": text("'credits'"),
        "type": text("'credits.granted'"),
        "event_id": uuid,
        "schema_id": "ARRAY[1]",
        "payload": text(rf"'\x{payload}'::bytea"),
        **dict.fromkeys(("ref_command_id", "ref_kind", "ref_value", "ref_stream"), empty),
        **dict.fromkeys(("deadline_command_id", "deadline_topic", "deadline_stream", "deadline_due_at"), empty),
        "sealed_command_id": uuid,
        "sealed_owner": text(f"'{workload.PROJECT_ID}'"),
        "sealed_kind": text("'request'"),
        "sealed_id": text(f"'req_' || {_DIGITS}"),
        "sealed_bytes": text(r"'\x" + "cd" * 64 + "'::bytea"),
        "sealed_expires_at": "ARRAY[NULL]",
        "on_unit": "ARRAY[0, 0]",
        "on_stream": f"ARRAY[{wallet}, 'cus_' || {_DIGITS}]",
        "on_version": "ARRAY[0, 0]",
        "on_event_id": "ARRAY[NULL, NULL]",
        **dict.fromkeys(("again_unit", "again_stream"), empty),
    }


def _payload() -> bytes:
    """The bytes of a fact as long as those of ours."""
    stream = f"wal_{UUID(int=1).hex}"
    granted = CreditsGranted(
        wallet_id=stream,
        user_id="u1000",
        credit_type="api",
        entry_id=f"ent_{UUID(int=1).hex}",
        amount=5,
        balance=5,
        held=0,
        reason="benchmark",
        priority=100,
        expires_at=None,
        paid_debt=0,
    )
    return event_row(stream, 1, granted, workload.context(UUID(int=1), datetime.now(UTC)).actor).payload


ROW = Row(
    name="pgbench",
    ceiling=f"pgbench with the same append statement, {_CLIENTS} clients, one command to a transaction",
    ours="POST /credits/grant from as many connections: authenticated, decided, durable",
    claims=(Claim(figure="rate", unit="commands/s", aim=1.0),),
    prepare=prepare,
)
