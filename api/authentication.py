"""Who is calling: a project by its secret key, a page by its publishable key, or the operator."""

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

import structlog
from prometheus_client import Counter
from starlette.requests import Request

from api.errors import HeaderInvalid, KeyMissing, NotPermitted
from api.state import State
from domain.project import Key, KeyKind, Project
from domain.project.errors import ProjectUnknown
from runtime import logs

log = structlog.get_logger()

FAILED = Counter("tillstream_authentication_failures_total", "Requests whose caller was not let in.", ["reason"])

_PROJECT_KEY = re.compile(r"(?:sk|pk)_([0-9a-f]{32})_[A-Za-z0-9_-]{16,128}")
_PROJECT_ID = re.compile(r"prj_[0-9a-f]{32}")
_SCHEME = "Bearer "
_KEY_BEGINS, _SECRET_BEGINS = len("Bearer sk_"), len("Bearer sk_") + 32
_BEARER = re.compile(r"[Bb]earer +(\S+)")


@dataclass(frozen=True, slots=True)
class Operator:
    """Who runs the service: may register projects and look after any of them."""

    actor: str = "operator:operator"


class ProjectCaller(NamedTuple):
    """A project, by one of its keys."""

    project: Project
    key: Key

    @property
    def project_id(self) -> str:
        return self.project.project_id

    @property
    def actor(self) -> str:
        return f"key:{self.key.key_id}"

    @property
    def publishable(self) -> bool:
        return self.key.kind is KeyKind.PUBLISHABLE


Caller = Operator | ProjectCaller


async def authenticate(request: Request[State]) -> Caller:
    """Whose token this is. Raises `KeyMissing`, or `NotPermitted` where `X-Project-ID` names another project."""
    caller = _known_caller(request) or await _caller(request)
    if isinstance(caller, ProjectCaller):
        logs.bind(project_id=caller.project_id)
        _check_named_project(request, caller.project_id)
    return caller


async def the_operator(request: Request[State]) -> Operator:
    """The operator alone may do this."""
    caller = await authenticate(request)
    if not isinstance(caller, Operator):
        raise _failed("operator_only", NotPermitted("Only the operator may do this; send the operator's token."))
    return caller


async def a_project(request: Request[State]) -> ProjectCaller:
    """A project's server, by its secret key."""
    caller = await authenticate(request)
    if isinstance(caller, ProjectCaller) and not caller.publishable:
        return caller
    _check_project_or_its_page(request, caller)
    raise _failed(
        "publishable_key",
        NotPermitted("A publishable key can only start checkouts; send a secret key, from a server."),
    )


async def a_project_or_its_page(request: Request[State]) -> ProjectCaller:
    """A project's server, or a page on the project's own domain by a publishable key."""
    return _check_project_or_its_page(request, await authenticate(request))


async def the_operator_or_project(request: Request[State], project_id: str) -> tuple[Caller, Project]:
    """The operator, or this very project by its secret key. To anybody else the project does not exist."""
    caller = await authenticate(request)
    if isinstance(caller, Operator):
        project = await request.state["projects"].get(project_id)
        if project is None:
            raise ProjectUnknown(project_id)
        _check_named_project(request, project_id)
        return caller, project
    if caller.publishable:
        raise _failed("publishable_key", NotPermitted("A publishable key can only start checkouts; send a secret key."))
    if caller.project_id != project_id:
        raise ProjectUnknown(project_id)
    return caller, caller.project


def host_of(url: str) -> str:
    """The host of a URL in lower case; empty where there is none."""
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def _known_caller(request: Request[State]) -> ProjectCaller | None:
    """Whose key this is, if its project is at hand. What it looks like is not asked: its digest is a key's or it is none."""
    sent = request.headers.get("authorization", "")
    project = request.state["projects"].at_hand(f"prj_{sent[_KEY_BEGINS:_SECRET_BEGINS]}")
    if project is None or not sent.startswith(_SCHEME):
        return None
    key = project.keys.get(_digest(sent[len(_SCHEME) :]).hex())
    return ProjectCaller(project, key) if key else None


async def _caller(request: Request[State]) -> Caller:
    token = _bearer(request)
    if hmac.compare_digest(_digest(token), _digest(request.state["operator_token"])):
        return Operator()
    found = _PROJECT_KEY.fullmatch(token)
    project = await request.state["projects"].get(f"prj_{found[1]}") if found else None
    # Looked up, not compared: how long that takes may tell of a digest, which leads to no token.
    key = project.keys.get(_digest(token).hex()) if project else None
    if project is None or key is None:
        raise _failed("unknown_key", KeyMissing())
    return ProjectCaller(project, key)


def _check_project_or_its_page(request: Request[State], caller: Caller) -> ProjectCaller:
    if not isinstance(caller, ProjectCaller):
        raise _failed("not_a_project", NotPermitted("Only a project may do this; send one of its keys."))
    if caller.publishable and _page_host(request) != caller.project.domain.lower():
        raise _failed(
            "other_domain",
            NotPermitted(
                f"A publishable key works from pages on {caller.project.domain} only; the request must carry their"
                " `Origin` or `Referer`.",
                param="Origin",
            ),
        )
    return caller


def _bearer(request: Request[State]) -> str:
    found = _BEARER.fullmatch(request.headers.get("authorization", ""))
    if found is None:
        raise _failed("no_key", KeyMissing())
    return found[1]


def _check_named_project(request: Request[State], project_id: str) -> None:
    named = request.headers.get("x-project-id")
    if named is None:
        return
    if not _PROJECT_ID.fullmatch(named):
        raise HeaderInvalid("X-Project-ID is `prj_` and 32 hexadecimal digits; or leave it out.", param="X-Project-ID")
    if named != project_id:
        raise _failed(
            "other_project",
            NotPermitted(
                "`X-Project-ID` names another project than the one that is spoken for; correct it or leave it out.",
                param="X-Project-ID",
            ),
        )


def _page_host(request: Request[State]) -> str:
    return host_of(request.headers.get("origin") or request.headers.get("referer", ""))


def _failed(reason: str, error: KeyMissing | NotPermitted) -> KeyMissing | NotPermitted:
    FAILED.labels(reason).inc()
    log.warning("authentication failed", reason=reason)
    return error


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
