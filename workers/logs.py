"""Logs: readable on a terminal, JSON elsewhere when asked; every process writes the same way."""

import logging
import re
import sys
import threading
from types import TracebackType
from typing import Any
from urllib.parse import unquote, urlsplit

import structlog

from db.settings import database_settings
from workers.settings import worker_settings

# As they are made here; an operator's own first key may look otherwise.
_API_KEY = r"pms_[A-Za-z0-9_-]{20,}"
# So short a secret would be found in words that are none.
_SHORTEST_SECRET = 8


def configure_logs(*secrets: str | None) -> None:
    """Send structlog, the standard library's loggers and uncaught errors to standard error.

    Each is one line. What looks like an API key, and the passwords of the servers, are left out.

    Args:
        secrets: what else must never be written.
    """
    as_json = worker_settings().log_format == "json"
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[structlog.types.Processor] = [*_renderers(as_json), _Discreet(secrets)]
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.captureWarnings(True)
    _log_uncaught()


def _renderers(as_json: bool) -> list[structlog.types.Processor]:
    if as_json:
        # What is no JSON is written as text, never refused: a log line must not fail.
        return [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(default=str),
        ]
    return [
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            # Rich tracebacks show local variables: a secret among them would be in the log.
            exception_formatter=structlog.dev.plain_traceback,
        )
    ]


class _Discreet:
    """Takes secrets out of what is about to be written, an exception's own words included."""

    def __init__(self, secrets: tuple[str | None, ...]) -> None:
        urls = (database_settings().database_url, worker_settings().redis_url)
        found = {*secrets, worker_settings().redis_token}
        for url in urls:
            password = urlsplit(url).password or ""
            found |= {password, unquote(password)}
        known = sorted((one for one in found if one and len(one) >= _SHORTEST_SECRET), reverse=True)
        self._pattern = re.compile("|".join([*map(re.escape, known), _API_KEY]))

    def __call__(self, _logger: Any, _method: str, rendered: Any) -> Any:
        return self._pattern.sub("…", rendered) if isinstance(rendered, str) else rendered


def _log_uncaught() -> None:
    """What nobody catches is a line of the log too, in the main thread as in any other."""
    log = structlog.get_logger("uncaught")

    def in_process(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
        else:
            log.critical("uncaught", exc_info=(kind, error, trace))

    def in_thread(caught: threading.ExceptHookArgs) -> None:
        if caught.exc_value is not None and caught.exc_type is not SystemExit:
            name = caught.thread.name if caught.thread else None
            log.critical(
                "uncaught",
                thread=name,
                exc_info=(caught.exc_type, caught.exc_value, caught.exc_traceback),
            )

    sys.excepthook = in_process
    threading.excepthook = in_thread
