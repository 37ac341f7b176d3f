"""A backup was restored: what clients were told since it was made has never been."""

import os
from collections.abc import Callable
from urllib.parse import urlsplit, urlunsplit

import pytest
from sqlalchemy import create_engine

from db.queries import maintenance
from db.session import Database, jobs_database, line_database, marker_database, web_database
from db.settings import DatabaseSettings
from tests.factories.streams import Shop


@pytest.fixture
def shop(database: Database) -> Shop:
    return Shop(database)


def _copy(source: str, target: str) -> None:
    """Make one database a copy of another, whoever is connected, or would be at once again."""
    for database in (web_database(), line_database(), marker_database(), jobs_database()):
        database.engine.dispose()
    admin = urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path="/postgres"))
    engine = create_engine(
        DatabaseSettings(database_url=admin).database_url, isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {target} WITH (FORCE)")
        connection.exec_driver_sql(f"ALTER DATABASE {source} ALLOW_CONNECTIONS false")
        connection.exec_driver_sql(
            f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            f" WHERE datname = '{source}'"
        )
        connection.exec_driver_sql(f"CREATE DATABASE {target} TEMPLATE {source}")
        connection.exec_driver_sql(f"ALTER DATABASE {source} ALLOW_CONNECTIONS true")
    engine.dispose()


@pytest.fixture
def back_up(shop: Shop) -> Callable[[], Callable[[], None]]:
    """``restore = back_up()`` makes a backup, ``restore()`` puts it in the place of the shop."""
    name = urlsplit(os.environ["DATABASE_URL"]).path[1:]

    def make() -> Callable[[], None]:
        _copy(name, "backup")
        return lambda: _copy("backup", name)

    return make


@pytest.mark.parametrize("since_then", [1, 2, 3])
def test_a_cursor_from_after_the_backup_does_not_pass(
    shop: Shop, back_up: Callable[[], Callable[[], None]], since_then: int
) -> None:
    shop.adjust(2)
    early = shop.subscribe("early").cursor
    restore = back_up()
    shop.adjust(2)
    late = shop.subscribe("late").cursor
    restore()
    shop.adjust(since_then)
    after = Shop(shop.database, like=shop)
    found = after.subscribe("late", since=late)
    assert found.recovered is False
    assert found.snapshot["position"] == 2 + since_then
    # What both have in common is where it always was.
    assert after.subscribe("early", since=early).recovered is True
    assert after.clients.positions("early") == list(range(3, 3 + since_then))


def test_a_process_that_lived_through_a_restore_closes_its_clients(
    shop: Shop, back_up: Callable[[], Callable[[], None]]
) -> None:
    other = shop.make_product()
    shop.adjust(2)
    shop.subscribe("same", place=shop.place(other))
    shop.subscribe("other")
    restore = back_up()
    shop.adjust(2)
    shop.repair.repair()
    restore()
    shop.adjust(3)
    shop.repair.repair()
    assert shop.clients.gone == {"other"}
    assert shop.clients.positions("other") == [3, 4]


def test_a_restart_alone_disturbs_nobody(shop: Shop) -> None:
    shop.subscribe("a")
    shop.adjust(2)
    shop.repair.repair()
    # The server of the tests itself is not started anew.
    shop.repair._past = (shop.repair._past or 0) - 1
    shop.adjust(2)
    shop.repair.repair()
    assert shop.clients.positions("a") == [1, 2, 3, 4]
    assert not shop.clients.gone


def test_a_restart_disturbs_nobody_whose_last_event_is_too_old_to_be_there(shop: Shop) -> None:
    shop.adjust(2)
    shop.subscribe("a")
    shop.adjust(2)
    shop.repair.repair()
    with shop.database.transaction() as connection:
        connection.exec_driver_sql("UPDATE events SET created_at = now() - interval '8 days'")
        assert maintenance.remove_old_events(connection, 7)
    shop.repair._past = (shop.repair._past or 0) - 1
    shop.adjust(1)
    shop.repair.repair()
    assert shop.clients.positions("a") == [3, 4, 5]
    assert not shop.clients.gone


@pytest.fixture
def put_back(database: Database) -> Callable[[], Callable[[], None]]:
    """The same within the tables that there are, as a dump of their rows alone is restored."""
    tables = ("events", "streams", "stock_levels", "stock_movements", "operations")
    # Their triggers and foreign keys must not stop it.
    off, on = (f"SET LOCAL session_replication_role = {role}" for role in ("replica", "origin"))

    def make() -> Callable[[], None]:
        with database.transaction() as connection:
            for table in tables:
                connection.exec_driver_sql(f"CREATE TABLE kept_{table} AS TABLE {table}")

        def restore() -> None:
            with database.transaction() as connection:
                connection.exec_driver_sql(off)
                for table in tables:
                    connection.exec_driver_sql(f"DELETE FROM {table}")
                    connection.exec_driver_sql(
                        f"INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM kept_{table}"
                    )
                    connection.exec_driver_sql(f"DROP TABLE kept_{table}")
                connection.exec_driver_sql(on)

        return restore

    return make


def test_rows_that_were_put_back_into_the_same_tables_close_who_was_told_more(
    shop: Shop, put_back: Callable[[], Callable[[], None]]
) -> None:
    other = shop.make_product()
    shop.adjust(2)
    shop.subscribe("same", place=shop.place(other))
    shop.subscribe("told")
    restore = put_back()
    shop.adjust(2)
    shop.repair.repair()
    # Whoever is in by its snapshot alone has been told nothing that could be compared.
    shop.subscribe("told nothing")
    restore()
    shop.repair.repair()
    assert shop.clients.gone == {"told", "told nothing"}
    shop.subscribe("new")
    shop.adjust(1)
    shop.repair.repair()
    assert shop.clients.positions("new") == [3]
