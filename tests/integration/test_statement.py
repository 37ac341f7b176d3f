"""Statements that commit by themselves: kept at once, and no place in the pool is lost by them."""

from collections.abc import Callable

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from db.errors import is_passing
from db.queries.installation import beat_heart, heartbeat_ages
from db.session import Database, web_database

_DIE = text("SELECT pg_terminate_backend(pg_backend_pid())")
_INSIDE = text("SELECT pg_current_xact_id_if_assigned() IS NOT NULL")


def test_a_statement_is_kept_at_once_and_the_next_user_has_transactions(
    database: Database,
) -> None:
    with web_database().statement() as connection:
        beat_heart(connection, "one")
        with database.transaction() as other:
            assert "one" in heartbeat_ages(other)
    with web_database().transaction() as connection:
        beat_heart(connection, "two")
        assert connection.execute(_INSIDE).scalar_one()


def end_itself(connection: Connection, _: Database) -> None:
    connection.execute(_DIE)


def be_ended(connection: Connection, database: Database) -> None:
    mine = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    with database.engine.connect() as other:
        other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": mine})
    connection.execute(_INSIDE)


def use_and_lose(database: Database, lose: Callable[[Connection, Database], None]) -> None:
    with web_database().statement() as connection:
        lose(connection, database)


@pytest.mark.parametrize("lose", [end_itself, be_ended])
def test_a_connection_that_dies_is_a_passing_fault_and_costs_nobody_a_place(
    database: Database, lose: Callable[[Connection, Database], None]
) -> None:
    for _ in range(20):
        with pytest.raises(DBAPIError) as failed:
            use_and_lose(database, lose)
        assert is_passing(failed.value)
    assert web_database().engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    with web_database().statement() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1


def test_a_server_that_takes_nothing_in_is_left_for_one_that_does(database: Database) -> None:
    with database.engine.connect() as connection:
        connection.exec_driver_sql("SET default_transaction_read_only = on")
        connection.commit()
    with pytest.raises(DBAPIError) as failed, database.transaction() as connection:
        beat_heart(connection, "one")
    assert is_passing(failed.value)
    with database.transaction() as connection:
        beat_heart(connection, "one")
