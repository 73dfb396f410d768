"""What stands in the log: one JSON object a line, what binds lines together, and nothing that names a person."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

SAID = """
import asyncio, structlog
from runtime import logs

logs.configure("test")
log = structlog.get_logger()

async def one(name):
    logs.begin(request_id=name)
    await asyncio.sleep(0)
    logs.bind(project_id="of " + name)
    log.info("said", by=name, email="ada@example.com", body="Dear Ada")

async def many():
    log.info("before")
    await asyncio.gather(one("req_1"), one("req_2"))
    lines = logs.Lines("request", "test")
    for number in range(3):
        lines({"number": number, "ms": 0.5})
    logs.Lines("request", "test", "WARNING")({"number": 99})
    await asyncio.sleep(0.3)
    log.info("after")

asyncio.run(many())
"""


async def said() -> Sequence[dict[str, Any]]:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", SAID, stdout=subprocess.PIPE)
    out, _ = await process.communicate()
    return [json.loads(line) for line in out.splitlines()]


async def test_lines_carry_what_was_bound_in_their_own_task_and_nothing_personal() -> None:
    lines = await said()

    assert [line["event"] for line in lines] == ["before", "said", "said", "request", "request", "request", "after"]
    for line in lines:
        assert (line["level"], line["process"]) == ("info", "test")
        assert line["timestamp"].endswith("Z")
    for line, name in zip(lines[1:3], ("req_1", "req_2"), strict=True):
        assert (line["request_id"], line["project_id"], line["by"]) == (name, f"of {name}", name)
        assert (line["email"], line["body"]) == ("[sealed]", "[sealed]")
    assert "request_id" not in lines[0] | lines[-1]
    assert [line["number"] for line in lines[3:6]] == [0, 1, 2]
