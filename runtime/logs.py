"""Logs: one JSON object a line on standard output, with what binds lines together and nothing that names a person."""

import asyncio
import logging
import sys
from collections.abc import MutableMapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog

_NEVER_LOGGED = frozenset(
    {"email", "name", "phone", "ip", "ip_address", "user_agent", "authorization", "body", "payload", "secret", "key"}
)

_TOGETHER_SECONDS = 0.1


def configure(process: str, level: str = "INFO") -> None:
    """Send every log line of this process, libraries' too, to standard output as JSON."""
    shared: list[structlog.typing.Processor] = [
        _with_bound,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _with_process(process),
        _without_personal_data,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, structlog.processors.JSONRenderer(orjson.dumps)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.BytesLoggerFactory(sys.stdout.buffer),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(
        handlers=[handler], level=max(logging.getLevelNamesMapping()[level], logging.WARNING), force=True
    )


_bound: ContextVar[dict[str, Any]] = ContextVar("bound")


def begin(**fields: Any) -> dict[str, Any]:
    """Let the log lines of this task from here on, and of those that it starts, carry these fields and what is bound later.

    What was bound before is left behind. Returns all that is bound.
    """
    _bound.set(fields)
    return fields


def bind(**fields: Any) -> None:
    """One more field for the lines of what `begin` began. Nothing where it did not: then there is nothing to tell apart."""
    bound = _bound.get(None)
    if bound is not None:
        bound.update(fields)


class Lines:
    """Log lines of one event that come by the thousand: the same as `log.info(event, …)`, at a tenth of its cost.

    They are written together, several times a second, so the last ones are lost with a process that is killed. For an
    event loop's thread alone. Fields that name a person are not looked for: give it none.
    """

    def __init__(self, event: str, process: str, level: str = "INFO") -> None:
        self._fixed = {"event": event, "level": "info", "process": process}
        self._wanted = logging.getLevelNamesMapping()[level] <= logging.INFO
        self._lines: list[dict[str, Any]] = []

    def __call__(self, fields: dict[str, Any]) -> None:
        """Takes the fields over."""
        if not self._wanted:
            return
        if not self._lines:
            asyncio.get_running_loop().call_later(_TOGETHER_SECONDS, self.flush)
        fields["timestamp"] = datetime.now(UTC)
        self._lines.append(fields)

    def flush(self) -> None:
        """Write what there is: due at the end, too."""
        lines, self._lines = self._lines, []
        options = orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE
        sys.stdout.buffer.write(b"".join(orjson.dumps(line | self._fixed, str, options) for line in lines))
        sys.stdout.buffer.flush()


def _with_bound(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {**_bound.get({}), **event}


def _with_process(process: str) -> structlog.typing.Processor:
    def add(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["process"] = process
        return event

    return add


def _without_personal_data(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if not _NEVER_LOGGED.isdisjoint(event):
        for field in _NEVER_LOGGED & event.keys():
            event[field] = "[sealed]"
    return event
