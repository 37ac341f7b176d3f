"""Nothing hangs loose: handlers, queues, the clock, guards and events fit together."""

import ast
from pathlib import Path
from typing import Any, get_args

import pytest

import beat_schedule
from db.models.operation import ANALYTICS, LINE
from workers.app import app as celery
from workers.commands import COMMANDS, Command
from workers.events import EVENTS
from workers.programs import PROGRAMS
from workers.registry import HANDLERS

celery.loader.import_default_modules()

OPEN_ROUTES = {
    "health.read_health",
    "openapi.spec",
    "documents.read_start",
    "documents.read_api",
    "documents.read_sockets",
    "documents.read_asyncapi",
    "documents.list_problems",
    "documents.read_problem",
    "documents.read_file",
    "screen.read_screen",
    "screen.read_file",
}


def consumed() -> set[str]:
    (worker,) = (one for one in PROGRAMS if one.name == "worker")
    return set(worker.arguments[worker.arguments.index("-Q") + 1].split(","))


def test_every_command_of_the_line_has_one_handler() -> None:
    wanted = {command for command in COMMANDS.values() if command.queue == LINE}
    assert set(HANDLERS) == wanted


def test_every_command_is_known_by_its_kind() -> None:
    assert set(COMMANDS.values()) == set(get_args(Command))


def test_every_queue_has_a_consumer() -> None:
    asked = {entry["options"]["queue"] for entry in beat_schedule.BEAT_SCHEDULE.values()}
    assert asked | {LINE, ANALYTICS} == consumed()


def test_every_beat_entry_has_a_task() -> None:
    for entry in beat_schedule.BEAT_SCHEDULE.values():
        assert entry["task"] in celery.tasks


def test_every_event_has_a_schema() -> None:
    for name, event in EVENTS.items():
        schema = event.model_json_schema(by_alias=True)
        assert schema["type"] == "object"
        assert event.name == name


def test_every_route_has_a_guard_or_is_known_to_be_open(session_app: Any) -> None:
    for rule in session_app.url_map.iter_rules():
        view = session_app.view_functions[rule.endpoint]
        if rule.endpoint in OPEN_ROUTES:
            continue
        assert getattr(view, "scope", None) in ("read", "write", "admin"), rule.endpoint


@pytest.mark.parametrize("path", ["/api/pms/products", "/api/nothing/here"])
def test_no_guard_no_answer(client_with: Any, path: str) -> None:
    assert client_with(None).get(path).status_code in (401, 404, 405)


def test_the_clock_imports_nothing_of_ours() -> None:
    tree = ast.parse(Path(beat_schedule.__file__).read_text())
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported.isdisjoint({"web", "workers", "tasks", "db"})
