"""Logs of a process of its own: what it writes, in which form, and what it keeps to itself."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from redis import Redis
from structlog.testing import capture_logs

from workers import broadcast

PASSWORD = "hush-hush-hush"
KEY = "pms_0123456789abcdefghijklmnopqrstuvwxyz"
_PROGRAM = f"""
import logging, threading, warnings
import structlog
from workers.logs import configure_logs, log_each
configure_logs("the-operators-own-key", process="till")
structlog.get_logger("web").info("said", request_id="r-1", thing=object, key="{KEY}")
structlog.get_logger("web").info("asked", request_id="r-2", path="/\x1b[2J", method="GET", key=None)
log_each("ended", [dict(request_id="r-3", status="failed", problem=None, path="/\x1b[2J")])
logging.getLogger("celery").error("from %s", "celery {PASSWORD}")
logging.getLogger("flask.app").warning("the-operators-own-key \x1b[2J")
warnings.warn("outdated")
try:
    raise ValueError("{KEY} \x1b[2J")
except ValueError:
    logging.getLogger("celery").exception("failed")
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
raise RuntimeError("the end")
"""


def written(log_format: str) -> list[str]:
    env = {
        **os.environ,
        "LOG_FORMAT": log_format,
        "DATABASE_URL": f"postgresql://me:{PASSWORD}@nowhere/shop",
    }
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], env=env, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == ""
    for secret in (PASSWORD, KEY, "the-operators-own-key"):
        assert secret not in done.stderr
    return done.stderr.splitlines()


def test_every_line_is_json_when_asked() -> None:
    lines = [json.loads(line) for line in written("json")]
    assert all({"event", "level", "timestamp"} <= line.keys() for line in lines)
    assert {line["process"] for line in lines} == {"till"}
    assert lines[0]["request_id"] == "r-1"
    assert lines[1]["path"] == "/\x1b[2J"
    assert (lines[2]["request_id"], lines[2]["path"]) == ("r-3", "/\x1b[2J")
    del lines[1:3]
    assert [line.get("logger") for line in lines[1:5]] == [
        "celery",
        "flask.app",
        "py.warnings",
        "celery",
    ]
    assert "ValueError" in lines[4]["exception"]
    assert "ZeroDivisionError" in lines[5]["exception"]
    assert "RuntimeError: the end" in lines[6]["exception"]
    assert len(lines) == 7


def test_text_is_for_people() -> None:
    lines = written("text")
    assert "said" in lines[0]
    assert "request_id=r-1" in lines[0]
    assert lines[2].split("ended")[1].split() == [
        "status=failed",
        r"path=/\x1b[2J",
        "request_id=r-3",
    ]
    # What happened first, what traces it last, and nothing that steers a terminal.
    assert lines[1].split("asked")[1].split() == [r"path=/\x1b[2J", "method=GET", "request_id=r-2"]
    assert "\x1b" not in "".join(lines)
    assert len([line for line in lines if r"\x1b[2J" in line]) == 4
    assert lines[-1] == "RuntimeError: the end"


def test_colours_for_what_ends_on_a_terminal() -> None:
    lines = written("color")
    assert "\x1b[" in lines[0]
    assert "\x1b[2J" not in lines[1]


def test_a_broadcast_that_fails_names_whose_events_it_had(monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = Redis(host="127.0.0.1", port=1)
    monkeypatch.setattr(broadcast, "redis_client", lambda: nowhere)
    monkeypatch.setattr(broadcast, "log", broadcast.structlog.get_logger())
    events: list[tuple[str, int, str, Any]] = [
        ("stock:p", 1, "inventory_update", '{"operationId": "o-1"}'),
        ("operations:k", 1, "operation_update", '{"operationId": "o-1", "requestId": "r-1"}'),
        ("product:p", 1, "product_update", "{}"),
    ]
    with capture_logs() as logs:
        broadcast.broadcast(events)
    assert [(log["operation_ids"], log["request_ids"]) for log in logs] == [(["o-1"], ["r-1"])]
