"""Logs: readable on a terminal, JSON elsewhere when asked; every process writes the same way."""

import logging
import re
import sys
import threading
from collections.abc import Callable, Iterable, MutableMapping
from contextvars import ContextVar
from datetime import UTC, datetime
from io import StringIO
from types import TracebackType
from typing import Any, TextIO
from urllib.parse import unquote, urlsplit

import orjson
import structlog

from db.settings import database_settings
from workers.settings import worker_settings

# As they are made here; an operator's own first key may look otherwise.
_API_KEY = r"pms_[A-Za-z0-9_-]{20,}"
# Of the request that is being served here.
logged_request_id: ContextVar[str | None] = ContextVar("logged_request_id", default=None)
_TRACES = ("operation_id", "request_id", "key")
# An exception's; and what libraries say, in as many lines as they like.
_MANY_LINES = {"event", "exception", "stack"}
# So short a secret would be found in words that are none.
_SHORTEST_SECRET = 8


def configure_logs(*secrets: str | None, process: str | None = None) -> None:
    """Send structlog, the standard library's loggers and uncaught errors to standard error.

    Each is one line. What looks like an API key, and the passwords of the servers, are left out.

    Args:
        secrets: what else must never be written.
        process: what this one is, for JSON; people see it at the beginning of each line.
    """
    wanted = worker_settings().log_format
    as_json, colours = wanted == "json", wanted == "color" or sys.stderr.isatty()
    shared: list[structlog.types.Processor] = [
        _of_request,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    same = {"process": process} if as_json and process else {}
    if same:
        shared.append(lambda _logger, _method, event: {**event, **same})
    discreet = _Discreet(secrets)
    last: list[structlog.types.Processor] = [*_renderers(as_json, colours), discreet]
    log_each.configure(None if colours else _line(as_json), discreet, same)
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


def _of_request(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Any:
    """What is logged on the way of a request carries its id."""
    found = logged_request_id.get()
    if found is not None:
        event.setdefault("request_id", found)
    return event


def _renderers(as_json: bool, colours: bool) -> list[structlog.types.Processor]:
    if as_json:
        # What is no JSON is written as text, never refused: a log line must not fail.
        return [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(default=str),
        ]
    return [
        _for_people,
        structlog.dev.ConsoleRenderer(
            sort_keys=False,
            colors=colours,
            # Rich tracebacks show local variables: a secret among them would be in the log.
            exception_formatter=_traceback,
        ),
    ]


class _Many:
    """Writes many lines of one event at once: each costs a tenth of one that is written alone."""

    def __init__(self) -> None:
        self._line: Callable[[dict[str, Any]], str] | None = None

    def configure(
        self,
        line: Callable[[dict[str, Any]], str] | None,
        discreet: "_Discreet",
        same: dict[str, str],
    ) -> None:
        """Say how lines look, or that people watch, who like colours; and what all of them say."""
        self._line, self._discreet, self._same = line, discreet, same

    def __call__(self, event: str, entries: Iterable[dict[str, Any]]) -> None:
        """Write a line of level info for each of these."""
        if self._line is None:
            log = structlog.get_logger(__name__)
            for entry in entries:
                log.info(event, **entry)
            return
        stamp = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        same = {"event": event, "level": "info", "timestamp": stamp, **self._same}
        text = "".join([self._line({**entry, **same}) for entry in entries])
        sys.stderr.write(self._discreet(None, "", text))
        sys.stderr.flush()


log_each = _Many()


def log_last(write: Callable[[], None], seconds: float = 1.0) -> None:
    """Write a line before this process ends, unless whoever reads the log stands still.

    Args:
        write: writes it.
        seconds: how long that is waited for.
    """
    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    writer.join(seconds)


def _line(as_json: bool) -> Callable[[dict[str, Any]], str]:
    return _json_line if as_json else _text_line


def _json_line(entry: dict[str, Any]) -> str:
    return orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE).decode()


def _text_line(entry: dict[str, Any]) -> str:
    event, level, stamp = entry.pop("event"), entry.pop("level"), entry.pop("timestamp")
    told = " ".join([f"{name}={_shown(value)}" for name, value in _in_order(entry)])
    return f"{stamp} [{level:<9}] {event:<30} {told}\n"


def _shown(value: Any) -> str:
    text = str(_printable(value))
    return repr(text) if text == "" or _UNPLAIN(text) else text


_UNPLAIN = re.compile(r"[\s=\"']").search


def _for_people(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Any:
    """What is written alone, likewise; nothing in it steers the terminal."""
    return {
        name: _printable_lines(value) if name in _MANY_LINES else _printable(value)
        for name, value in _in_order(event)
    }


def _in_order(event: MutableMapping[str, Any]) -> list[tuple[str, Any]]:
    """What happened comes first, by what it can be traced last; what is not known is left out."""
    last = [(name, event.pop(name)) for name in _TRACES if name in event]
    return [one for one in (*event.items(), *last) if one[1] is not None]


def _printable(value: Any) -> Any:
    if not isinstance(value, str) or value.isprintable():
        return value
    return value.encode("unicode_escape").decode()


def _printable_lines(value: Any) -> Any:
    """Likewise, with its lines: a library may repeat what a stranger sent."""
    if not isinstance(value, str):
        return value
    return "\n".join(_printable(line.replace("\t", "    ")) for line in value.split("\n"))


def _traceback(out: TextIO, exc_info: Any) -> None:
    """The traceback, in which an exception's own words steer nothing either."""
    written = StringIO()
    structlog.dev.plain_traceback(written, exc_info)
    out.write(_printable_lines(written.getvalue()))


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
