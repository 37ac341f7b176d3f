"""Rescue: workers that die, freeze or meet a poisonous operation, as real processes."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from db.errors import Refusal
from db.queries import marker, operations, stock
from db.session import Database, line_database, marker_database
from tests.factories.shop import new_key, new_products
from workers import runner
from workers.app import app as celery
from workers.commands import AdjustStock
from workers.dispatch import record
from workers.registry import FAREWELLS, HANDLERS
from workers.runner import apply_next
from workers.walk import Walk, choose

celery.loader.import_default_modules()

# A worker whose handler does something terrible to adjustments of 13.
WORKER = """
import os, sys, time, signal
from workers.app import app
app.loader.import_default_modules()
from db.session import line_database
from workers.commands import AdjustStock
from workers.registry import HANDLERS
from workers.runner import apply_next

good = HANDLERS[AdjustStock]
def handler(command, turn):
    if command.quantity == 13:
        {terrible}
    return good(command, turn)
HANDLERS[AdjustStock] = handler
while apply_next(line_database()):
    pass
print("done", flush=True)
"""


@pytest.fixture
def shop(database: Database) -> tuple[UUID, list[UUID]]:
    """A key and three products."""
    return new_key(database).id, new_products(database, 3, threshold=0)


def submit(database: Database, shop: tuple[UUID, list[UUID]], *quantities: int) -> list[UUID]:
    """Increments of these quantities, on one product after the other."""
    key_id, made = shop
    with database.transaction() as connection:
        return [
            record(
                connection,
                AdjustStock(made[number % len(made)], quantity, "increment"),
                api_key_id=key_id,
            ).id
            for number, quantity in enumerate(quantities)
        ]


def start(terrible: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", WORKER.format(terrible=terrible)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def age_marker(database: Database) -> None:
    """As if its second had passed, and what is held back were due."""
    with database.transaction() as connection:
        # A marker from before the server's start would be nobody's fault.
        connection.exec_driver_sql(
            """SELECT pg_sleep(extract(epoch FROM
                   pg_postmaster_start_time() + interval '2.1 s' - clock_timestamp()))"""
        )
        connection.execute(text("UPDATE line_marker SET taken_at = taken_at - interval '2 s'"))
        connection.execute(
            text("UPDATE operations SET available_at = NULL WHERE status = 'queued'")
        )


def apply_when_due(database: Database) -> None:
    """Rescue what was left behind, then apply what the rescue has held back for a moment."""
    for _ in range(2):
        age_marker(database)
        apply_next(line_database())


def ends(database: Database, ids: list[UUID]) -> dict[UUID, Any]:
    with database.transaction() as connection:
        return {one.id: one for one in operations.find_all(connection, ids)}


def wait_for(predicate: Callable[[], Any], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not predicate():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("terrible", ["os._exit(1)", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_an_operation_that_kills_its_worker_dies_and_its_neighbours_do_not(
    database: Database, shop: tuple[UUID, list[UUID]], terrible: str
) -> None:
    ids = submit(database, shop, 1, 1, 1, 13, 1, 1, 1, 1)
    poison = ids[3]
    tries = 0
    while any(one.status == "queued" for one in ends(database, ids).values()):
        tries += 1
        assert tries <= 12
        start(terrible).wait(30)
        age_marker(database)
    found = ends(database, ids)
    assert {found[one].status for one in ids if one != poison} == {"succeeded"}
    assert found[poison].status == "dead"
    assert found[poison].attempts == 3
    assert "died or froze" in found[poison].error["detail"]
    with database.transaction() as connection:
        levels = [(stock.level(connection, product) or {})["stock"] for product in shop[1]]
        told = connection.execute(
            text("SELECT count(*) FROM events WHERE name = 'operation_update'")
        ).scalar()
        alerts = connection.execute(
            text("SELECT data ->> 'type' FROM events WHERE stream = 'system'")
        ).scalars()
        assert list(alerts) == ["operation_dead"]
    assert levels == [2, 3, 2]
    assert told == len(ids)


def test_a_worker_that_was_frozen_commits_nothing_late(
    database: Database, shop: tuple[UUID, list[UUID]]
) -> None:
    (slow,) = submit(database, shop, 13)
    # It says that it is inside its handler, with everything read and locked, and stands still.
    frozen = start("print('in', flush=True); os.kill(os.getpid(), signal.SIGSTOP)")
    try:
        assert frozen.stdout is not None
        assert frozen.stdout.readline() == "in\n"
        assert apply_next(line_database()) == 0
        # What PostgreSQL's own time-out does after `LINE_SECONDS`.
        with database.transaction() as connection:
            ended = connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                    " WHERE application_name = 'pms-line' AND state = 'idle in transaction'"
                    " AND datname = current_database()"
                )
            ).all()
        assert len(ended) == 1
        age_marker(database)
        wait_for(lambda: apply_next(line_database()) or age_marker(database))
        assert ends(database, [slow])[slow].status == "succeeded"
        frozen.send_signal(signal.SIGCONT)
        assert frozen.wait(20) != 0
    finally:
        frozen.kill()
        frozen.wait()
    with database.transaction() as connection:
        assert (stock.level(connection, shop[1][0]) or {})["stock"] == 13


def test_a_marker_that_is_young_is_left_to_its_owner(
    database: Database, shop: tuple[UUID, list[UUID]]
) -> None:
    (waiting,) = submit(database, shop, 1)
    with marker_database().transaction() as connection:
        assert [one.id for one in marker.take_fresh(connection, uuid4(), 500)[0]] == [waiting]
    assert apply_next(line_database()) == 0
    assert ends(database, [waiting])[waiting].attempts == 0
    apply_when_due(database)
    found = ends(database, [waiting])[waiting]
    assert (found.status, found.attempts) == ("succeeded", 2)


def test_who_lost_the_marker_does_not_apply(
    database: Database, shop: tuple[UUID, list[UUID]]
) -> None:
    submit(database, shop, 1)
    token = uuid4()
    with marker_database().transaction() as connection:
        taken, _, _ = marker.take_fresh(connection, token, 500)
    apply_when_due(database)
    assert runner._apply(line_database(), token, taken, Walk())[0] is None
    with database.transaction() as connection:
        assert (stock.level(connection, shop[1][0]) or {})["stock"] == 1


def test_an_end_of_the_database_is_no_attempt(
    database: Database, shop: tuple[UUID, list[UUID]], servers: Any
) -> None:
    (waiting,) = submit(database, shop, 1)
    with marker_database().transaction() as connection:
        marker.take_fresh(connection, uuid4(), 500)
        connection.execute(
            text("UPDATE line_marker SET taken_at = pg_postmaster_start_time() - interval '1 s'")
        )
    assert apply_next(line_database()) == 1
    assert ends(database, [waiting])[waiting].attempts == 1


def test_what_cannot_be_written_is_found_and_its_neighbours_are_written(
    database: Database, shop: tuple[UUID, list[UUID]]
) -> None:
    ids = submit(database, shop, 1, 1, 13, 1)
    with database.transaction() as connection:
        connection.exec_driver_sql(
            "ALTER TABLE stock_movements ADD CONSTRAINT unlucky CHECK (on_hand_change <> 13)"
        )
    try:
        for _ in range(12):
            apply_next(line_database())
            age_marker(database)
    finally:
        with database.transaction() as connection:
            connection.exec_driver_sql("ALTER TABLE stock_movements DROP CONSTRAINT unlucky")
    found = ends(database, ids)
    assert [found[one].status for one in ids] == ["succeeded", "succeeded", "dead", "succeeded"]
    assert "unlucky" in found[ids[2]].error["detail"]


def test_what_cannot_even_be_refused_is_given_up_and_holds_up_nobody(
    database: Database, shop: tuple[UUID, list[UUID]], monkeypatch: pytest.MonkeyPatch
) -> None:
    adjust = HANDLERS[AdjustStock]

    def refuses_one(command: AdjustStock, turn: Any) -> dict[str, Any]:
        if command.quantity == 13:
            raise Refusal("unlucky", "No.")
        return adjust(command, turn)

    def raises(command: AdjustStock, turn: Any, problem: dict[str, Any]) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setitem(HANDLERS, AdjustStock, refuses_one)
    monkeypatch.setitem(FAREWELLS, AdjustStock, raises)
    ids = submit(database, shop, 1, 13, 1)
    for _ in range(6):
        apply_when_due(database)
    found = ends(database, ids)
    assert [found[one].status for one in ids] == ["succeeded", "dead", "succeeded"]
    assert found[ids[1]].attempts == 3


def become_due(database: Database) -> None:
    with database.transaction() as connection:
        connection.exec_driver_sql("UPDATE operations SET available_at = NULL")


@pytest.fixture
def one_held_back(database: Database, shop: tuple[UUID, list[UUID]]) -> list[UUID]:
    """Two operations, the first of which was tried before and is to be tried later."""
    ids = submit(database, shop, 1, 1)
    hold = "attempts = 2, available_at = now() + interval '1 h'"
    with database.transaction() as connection:
        connection.exec_driver_sql(f"UPDATE operations SET {hold} WHERE id = '{ids[0]}'")
    return ids


def test_what_was_tried_before_is_not_tried_with_its_neighbours(
    database: Database, one_held_back: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    choose_first = runner.choose

    def choose_slowly(candidates: Any) -> list[UUID]:
        chosen = choose_first(candidates)
        become_due(database)
        return chosen

    monkeypatch.setattr(runner, "choose", choose_slowly)
    assert apply_next(line_database()) == 1
    found = ends(database, one_held_back)
    assert [found[one].status for one in one_held_back] == ["queued", "succeeded"]
    apply_next(line_database())
    assert ends(database, one_held_back)[one_held_back[0]].status == "succeeded"


def test_what_was_tried_before_is_not_blamed_for_its_neighbours(
    database: Database, one_held_back: list[UUID]
) -> None:
    token = uuid4()
    assert len(runner._take(line_database(), token, Walk())[0]) == 2
    become_due(database)
    assert runner._blame(line_database(), token, "died")
    found = ends(database, one_held_back)
    assert [found[one].attempts for one in one_held_back] == [2, 1]


A, B, C, D = (UUID(int=number) for number in range(1, 5))


@pytest.mark.parametrize(
    ("candidates", "chosen"),
    [
        ([], []),
        ([(A, 0, False), (B, 0, False)], [A, B]),
        ([(A, 1, False), (B, 0, False)], [A]),
        ([(A, 0, False), (B, 1, False), (C, 0, False)], [A]),
        ([(A, 1, True), (B, 0, False)], [A, B]),
        ([(A, 1, True), (B, 2, False), (C, 0, False)], [A, B]),
        ([(A, 1, True)], []),
        ([(A, 1, True), (B, 0, False), (C, 1, False), (D, 0, False)], [A, B]),
    ],
)
def test_what_was_tried_before_is_taken_alone(
    candidates: list[tuple[UUID, int, bool]], chosen: list[UUID]
) -> None:
    assert choose(candidates) == chosen


def test_who_cannot_begin_leaves_the_line_to_others(
    database: Database, shop: tuple[UUID, list[UUID]]
) -> None:
    """A commit is seen before its locks are gone; nobody has died, and nobody is to be blamed."""
    ids = submit(database, shop, 1, 2, 3)
    with database.transaction() as connection:
        lock = {"lock": marker.begin_values(uuid4())["lock"]}
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), lock)
        assert apply_next(line_database()) == 0
    assert apply_next(line_database()) == 3
    with database.transaction() as connection:
        attempts = [operations.find(connection, one).attempts for one in ids]  # type: ignore[union-attr]
    assert attempts == [1, 1, 1]
