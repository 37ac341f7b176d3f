"""Transactions of the line: begun by their first statement, and left whole or not at all."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import DBAPIError

from db.queries.installation import beat_heart, heartbeat_ages
from db.queries.prepared import COMMIT, execute
from db.session import Database, line_database

_INSIDE = "SELECT pg_current_xact_id_if_assigned() IS NOT NULL"


def known(database: Database) -> set[str]:
    with database.transaction() as connection:
        return set(heartbeat_ages(connection))


def test_a_block_that_ends_well_is_kept(database: Database) -> None:
    with line_database().transaction() as connection:
        beat_heart(connection, "one")
        assert "one" not in known(database)
        beat_heart(connection, "two")
    assert {"one", "two"} <= known(database)


def refuse(_connection: Connection) -> None:
    raise RuntimeError("no")


def fail(connection: Connection) -> None:
    connection.execute(text("SELECT 1 / 0"))


def lose_the_connection(connection: Connection) -> None:
    connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))


def spoil(end: Callable[[Connection], None]) -> None:
    with line_database().transaction() as connection:
        beat_heart(connection, "one")
        end(connection)


@pytest.mark.parametrize("end", [refuse, fail, lose_the_connection])
def test_a_block_that_ends_badly_leaves_nothing_and_nobody_in_its_transaction(
    database: Database, end: Callable[[Connection], None]
) -> None:
    with pytest.raises((RuntimeError, DBAPIError)):
        spoil(end)
    assert "one" not in known(database)
    with line_database().transaction() as connection:
        assert connection.execute(text(_INSIDE)).scalar() is False
        beat_heart(connection, "two")
    assert "two" in known(database)


def test_the_commit_may_go_with_a_last_statement(database: Database) -> None:
    with line_database().transaction() as connection:
        beat_heart(connection, "one")
        inside = execute(connection, _INSIDE, {}, before=COMMIT).scalar()
        assert "one" in known(database)
    assert inside is False


def test_a_transaction_is_begun_on_the_way_of_its_first_statement() -> None:
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    engine = line_database().engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        with line_database().transaction() as connection:
            connection.exec_driver_sql("SELECT 1")
            connection.exec_driver_sql("SELECT 2")
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert seen == ["BEGIN; SELECT 1", "SELECT 2", "COMMIT"]
