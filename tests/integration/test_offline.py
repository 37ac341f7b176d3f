"""Operations outside the line: each attempt counts, whatever ends it, and the innocent's do not."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from db.models.operation import ANALYTICS, Operation
from db.queries import operations, sales_rollups
from db.session import Database, jobs_database
from tests.factories.clocks import wrong_by
from tests.factories.shop import new_key
from tests.servers import wait_until
from workers import attempts, ending, offline
from workers.commands import RebuildRollups
from workers.dispatch import record
from workers.offline import run_next

Work = Callable[[Connection, Any], dict[str, Any]]

# A worker that dies at its work, without a word.
WORKER = """
import os
from db.models.operation import ANALYTICS
from db.queries.sales_rollups import take_lock
from db.session import jobs_database
from workers.offline import run_next

run_next(jobs_database(), ANALYTICS, lambda connection, command: os._exit(7), take_lock)
"""


@pytest.fixture
def submit(database: Database) -> Callable[[], UUID]:
    """Ask for a recomputation; gives its operation."""
    key_id = new_key(database).id

    def ask() -> UUID:
        with database.transaction() as connection:
            command = RebuildRollups(date(2026, 5, 1), date(2026, 5, 1))
            return record(connection, command, api_key_id=key_id).id

    return ask


@pytest.fixture
def ending_worker() -> Iterator[None]:
    """Whatever says that this process is about to end is forgotten after the test."""
    yield
    ending._FLAG[0] = 0


def run(work: Work) -> bool:
    return run_next(jobs_database(), ANALYTICS, work, sales_rollups.take_lock)


def well(connection: Connection, command: Any) -> dict[str, Any]:
    return {"days": 1}


def raises(connection: Connection, command: Any) -> dict[str, Any]:
    raise RuntimeError("a bug")


def takes_too_long(connection: Connection, command: Any) -> dict[str, Any]:
    connection.execute(text("SET LOCAL statement_timeout = '20ms'"))
    connection.execute(text("SELECT pg_sleep(20)"))
    return {}


def loses_its_connection(connection: Connection, command: Any) -> dict[str, Any]:
    connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    return {}


def stands_still(connection: Connection, command: Any) -> dict[str, Any]:
    connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = '20ms'"))
    pid = connection.execute(text("SELECT pg_backend_pid()")).scalar()
    with jobs_database().transaction() as other:
        gone = text("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = :pid)")
        wait_until(lambda: other.execute(gone, {"pid": pid}).scalar())
    return {}


def dies() -> None:
    assert subprocess.run([sys.executable, "-c", WORKER], check=False).returncode == 7


def find(database: Database, operation_id: UUID) -> Operation:
    with database.transaction() as connection:
        found = operations.find(connection, operation_id)
    assert found is not None
    return found


def is_held_back(database: Database) -> bool:
    """Whether something waits for its next attempt; it is made due."""
    with database.transaction() as connection:
        later = connection.execute(
            text("UPDATE operations SET available_at = NULL WHERE available_at > now()")
        )
        return later.rowcount > 0


def check_given_up(database: Database, operation_id: UUID, why: str) -> None:
    found = find(database, operation_id)
    assert (found.status, found.attempts) == ("dead", 3)
    assert found.error is not None
    assert why in found.error["detail"]
    with database.transaction() as connection:
        told = connection.execute(text("SELECT name, data ->> 'status' FROM events ORDER BY name"))
        assert list(told) == [("operation_update", "dead"), ("system_alert", None)]
        open_alerts = connection.execute(
            text("SELECT cause FROM operator_alerts WHERE resolved_at IS NULL")
        )
        assert list(open_alerts.scalars()) == [str(operation_id)]


def test_a_first_success_is_one_attempt(database: Database, submit: Callable[[], UUID]) -> None:
    asked = submit()
    assert run(well)
    found = find(database, asked)
    assert (found.status, found.attempts, found.result) == ("succeeded", 1, {"days": 1})
    assert not run(well)


@pytest.mark.parametrize(("work", "why"), [(raises, "a bug"), (takes_too_long, "timeout")])
def test_what_fails_each_time_is_given_up(
    database: Database, submit: Callable[[], UUID], work: Work, why: str
) -> None:
    asked = submit()
    for made in (1, 2):
        assert run(work)
        found = find(database, asked)
        assert (found.status, found.attempts) == ("queued", made)
        assert is_held_back(database)
    assert run(work)
    check_given_up(database, asked, why)


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_workers_wrong_clock_does_not_say_when_the_next_attempt_is_due(
    database: Database, submit: Callable[[], UUID], monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    monkeypatch.setattr(offline, "datetime", wrong_by(hours))
    submit()
    assert run(raises)
    with database.transaction() as connection:
        due_in = connection.execute(
            text("SELECT extract(epoch FROM available_at - now())::float FROM operations")
        ).scalar_one()
    assert abs(due_in) < 60


def test_what_kills_its_worker_is_given_up_and_holds_up_nobody(
    database: Database, submit: Callable[[], UUID]
) -> None:
    asked, behind = submit(), submit()
    dies()
    assert find(database, asked).attempts == 1
    assert run(well)
    assert (find(database, asked).status, find(database, behind).status) == ("queued", "succeeded")
    with database.transaction() as connection:
        connection.execute(text("DELETE FROM events"))
    for made in (2, 3):
        assert is_held_back(database)
        dies()
        assert find(database, asked).attempts == made
    assert is_held_back(database)
    assert run(well)
    check_given_up(database, asked, "broken off each time")


def test_what_was_tried_before_can_succeed(database: Database, submit: Callable[[], UUID]) -> None:
    asked = submit()
    dies()
    assert is_held_back(database)
    assert run(well)
    assert (find(database, asked).status, find(database, asked).attempts) == ("succeeded", 2)


def test_a_connection_that_is_lost_is_no_attempt(
    database: Database, submit: Callable[[], UUID]
) -> None:
    asked = submit()
    for _ in range(4):
        with pytest.raises(DBAPIError):
            run(loses_its_connection)
        assert find(database, asked).attempts == 0
    assert run(well)
    assert (find(database, asked).status, find(database, asked).attempts) == ("succeeded", 1)


def test_what_loses_its_connection_after_long_each_time_is_given_up(
    database: Database, submit: Callable[[], UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "_INNOCENT_SECONDS", 0.0)
    asked = submit()
    for made in (1, 2, 3):
        with pytest.raises(DBAPIError):
            run(stands_still)
        assert find(database, asked).attempts == made
        is_held_back(database)
    assert run(stands_still)
    check_given_up(database, asked, "broken off each time")


def test_what_a_restart_of_the_server_broke_off_is_no_attempt(
    database: Database, submit: Callable[[], UUID]
) -> None:
    asked = submit()
    for _ in range(4):
        dies()
        with database.transaction() as connection:
            # As if it had begun before the server did.
            connection.execute(
                text("UPDATE operations SET available_at = pg_postmaster_start_time()")
            )
    assert run(well)
    assert (find(database, asked).status, find(database, asked).attempts) == ("succeeded", 1)


class Killed(BaseException):
    """What a process that is killed would not see."""


def test_what_a_worker_breaks_off_that_was_asked_to_end_is_no_attempt(
    database: Database, submit: Callable[[], UUID], ending_worker: None
) -> None:
    asked = submit()

    def breaks_off(connection: Connection, command: Any) -> dict[str, Any]:
        assert find(database, asked).attempts == 1
        ending.begin_to_end()
        deadline = time.monotonic() + 5
        while find(database, asked).attempts and time.monotonic() < deadline:
            pass
        raise Killed

    with pytest.raises(Killed):
        run(breaks_off)
    assert (find(database, asked).status, find(database, asked).attempts) == ("queued", 0)


def test_a_worker_that_is_asked_to_end_and_still_succeeds_tells_its_attempt(
    database: Database, submit: Callable[[], UUID], ending_worker: None
) -> None:
    asked = submit()

    def ends_in_time(connection: Connection, command: Any) -> dict[str, Any]:
        ending.begin_to_end()
        deadline = time.monotonic() + 5
        while find(database, asked).attempts and time.monotonic() < deadline:
            pass
        return {"days": 1}

    assert run(ends_in_time)
    assert (find(database, asked).status, find(database, asked).attempts) == ("succeeded", 1)


def test_a_worker_that_was_frozen_commits_nothing_late(
    database: Database, submit: Callable[[], UUID]
) -> None:
    asked = submit()

    def freezes(connection: Connection, command: Any) -> dict[str, Any]:
        # What PostgreSQL's own time-out does to a session that stands still.
        pid = connection.execute(text("SELECT pg_backend_pid()")).scalar()
        with database.transaction() as other:
            assert other.execute(
                text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid}
            ).scalar()
        is_held_back(database)
        assert run_next(database, ANALYTICS, well, sales_rollups.take_lock)
        return {"days": 99}

    with pytest.raises(DBAPIError):
        run(freezes)
    found = find(database, asked)
    assert (found.status, found.attempts, found.result) == ("succeeded", 2, {"days": 1})
