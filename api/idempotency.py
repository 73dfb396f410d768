"""Once, however often it is asked: the Idempotency-Key becomes the command's id, and a retry gets the first answer."""

import hashlib
import ipaddress
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID, uuid5

from starlette.requests import Request
from uuid_utils.compat import uuid4

from api.authentication import Caller, Operator
from api.errors import HeaderInvalid
from api.parsing import canonical
from api.state import State
from commands.ports import Context, Receipt
from vault.port import SealedRecord, Shredded

_NAMESPACE = UUID("a3f0a7d2-6f5e-5f0e-8a43-5a8a0f6f2c11")
_KEY = re.compile(r"[\x20-\x7e]{1,255}")
_USER_AGENT_LIMIT = 500

Handler = Callable[[Context], Awaitable[Receipt]]


def context_of(
    request: Request[State], caller: Caller, body: Any, *, project_id: str = "", path: str | None = None
) -> Context:
    """Who asks, and under which id. `body` is what was sent, as JSON: the same id with another body is refused.

    `path` is given where one command can be asked for at several. Raises `HeaderInvalid`.
    """
    command_id = command_id_of(request, caller, path or request.scope["path"])
    return Context(
        command_id=command_id,
        fingerprint=hashlib.sha256(canonical(body)).digest(),
        project_id=project_id,
        actor=caller.actor,
        request_id=request.state["request_id"],
        causation_id=str(command_id),
        now=datetime.now(UTC),
    )


async def once(request: Request[State], context: Context, owner: str, handler: Handler) -> Receipt:
    """Run a command's handler, while no other request of this process is at the same command.

    The caller's address and user agent go along, sealed with the key of `owner` (a project, or a customer).
    """
    origin = await _sealed_origin(request, context, owner)
    async with request.state["in_flight"].turn(context.command_id):
        return await handler(context.sealing(origin))


async def _sealed_origin(request: Request[State], context: Context, owner: str) -> SealedRecord:
    vault, origin = request.state["vault"], _origin(request)
    try:
        return await vault.seal(owner, "request", context.request_id, origin)
    except Shredded:  # The customer was erased. What the handler says to that is said to the project.
        return await vault.seal(context.project_id, "request", context.request_id, origin)


def command_id_of(request: Request[State], caller: Caller, path: str) -> UUID:
    """The same for the same caller's project, method, path and Idempotency-Key; a new one where no key was sent."""
    if "idempotency-key" not in request.headers:
        return uuid4()
    keys = request.headers.getlist("idempotency-key")
    if len(keys) > 1 or not _KEY.fullmatch(keys[0]):
        raise HeaderInvalid(
            "Send one Idempotency-Key of 1 to 255 printable ASCII characters, a UUID for instance.",
            param="Idempotency-Key",
        )
    whose = "operator" if isinstance(caller, Operator) else caller.project_id
    return uuid5(_NAMESPACE, "\n".join((whose, request.method, path, keys[0])))


def _origin(request: Request[State]) -> dict[str, str]:
    ip = request.client.host if request.client else ""
    return {"ip": _address(ip), "user_agent": request.headers.get("user-agent", "")[:_USER_AGENT_LIMIT]}


@lru_cache(maxsize=4096)
def _address(text: str) -> str:
    """An IP address as it is written canonically; empty where a proxy sent something else."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""
