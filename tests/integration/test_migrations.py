"""Migrations: up, down, several at once, and the same schema as the models say."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.util import CommandError
from click.testing import CliRunner
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from db import migrations, models
from db.base import metadata
from db.migrate import current_revision, downgrade, head_revision, upgrade
from db.session import Database
from db.settings import DatabaseSettings, database_settings
from web.cli import main
from web.cli_checks import migrate
from web.cli_findings import database as look_at
from workers.data_dir import StartupError

NOBODY = "01900000-0000-7000-8000-000000000000"


@pytest.fixture
def empty_url() -> Iterator[str]:
    """A database with nothing in it."""
    admin = create_engine(database_settings().database_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE migrations")
    yield urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path="/migrations"))
    with admin.connect() as connection:
        connection.exec_driver_sql("DROP DATABASE migrations WITH (FORCE)")
    admin.dispose()


def engine_of(url: str) -> Engine:
    return create_engine(DatabaseSettings(database_url=url).database_url)


def tables(url: str) -> set[str]:
    engine = engine_of(url)
    with engine.connect() as connection:
        found = connection.execute(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        ).scalars()
        names = set(found)
    engine.dispose()
    return names


def test_up_makes_what_the_models_say_and_down_takes_all_away(empty_url: str) -> None:
    assert models
    upgrade(empty_url)
    engine = engine_of(empty_url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        assert current_revision(connection) == head_revision()
    downgrade(empty_url, "base")
    assert tables(empty_url) == {"alembic_version"}
    with engine.connect() as connection:
        functions = connection.execute(
            text("SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace")
        ).all()
    engine.dispose()
    assert functions == []
    upgrade(empty_url)
    assert set(metadata.tables) <= tables(empty_url)


def test_several_at_once_wait_for_each_other(empty_url: str) -> None:
    command = [sys.executable, "-c", f"from db.migrate import upgrade; upgrade({empty_url!r})"]
    running = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert set(metadata.tables) <= tables(empty_url)


def test_what_was_accepted_is_not_dropped_on_the_way_down(empty_url: str) -> None:
    upgrade(empty_url)
    engine = engine_of(empty_url)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO operations (id, queue, kind, payload) VALUES"
            f" ('{NOBODY}', 'bulk', 'adjust-many', '{{}}')"
        )
    with pytest.raises(CommandError, match="1 bulk operations are still in line"):
        downgrade(empty_url, "0003")
    assert "bulks" in tables(empty_url)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE operations SET status = 'succeeded', result = '{}', finished_at = now()"
        )
    engine.dispose()
    downgrade(empty_url, "0003")
    assert "bulks" not in tables(empty_url)


def test_who_is_in_the_way_for_a_while_is_waited_for(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade(empty_url, "0003")
    engine = engine_of(empty_url)
    with engine.connect() as connection:
        connection.exec_driver_sql("LOCK TABLE operations IN ROW EXCLUSIVE MODE")
        pauses: list[float] = []

        def go_out_of_the_way(seconds: float) -> None:
            pauses.append(seconds)
            connection.rollback()

        monkeypatch.setattr("db.migrate.time.sleep", go_out_of_the_way)
        upgrade(empty_url, "0004")
    engine.dispose()
    assert len(pauses) == 1
    assert "bulks" in tables(empty_url)


def bring_to(url: str, revision: str) -> None:
    """As another version of the program would have left it."""
    engine = engine_of(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :to"), {"to": revision})
    engine.dispose()


def state_of_migrations(url: str) -> str:
    (finding,) = (one for one in look_at(url) if one.about == "migrations")
    assert "a newer version has made" in finding.found
    assert f"`pms migrate --down {head_revision()}`" in finding.remedy
    return finding.state


def test_what_the_next_version_has_made_is_left_to_the_one_before(empty_url: str) -> None:
    assert migrate(empty_url) is None
    newer = f"{int(head_revision() or 0) + 1:04}"
    bring_to(empty_url, newer)
    assert migrate(empty_url) == newer
    assert state_of_migrations(empty_url) == "note"
    done = CliRunner().invoke(main, ["migrate"], env={"DATABASE_URL": empty_url})
    assert (done.exit_code, newer in done.stdout) == (0, True)
    told = CliRunner().invoke(main, ["migrate", "--json"], env={"DATABASE_URL": empty_url})
    assert json.loads(told.stdout) == {"revision": newer}
    with pytest.raises(StartupError, match=f"{newer}, which a newer .*`pms migrate --down 0007`"):
        migrate(empty_url, "0007", down=True)


def test_what_a_much_newer_version_has_made_is_named(empty_url: str) -> None:
    upgrade(empty_url)
    newer = f"{int(head_revision() or 0) + 2:04}"
    bring_to(empty_url, newer)
    back = f"`pms migrate --down {head_revision()}` of that one takes it back"
    with pytest.raises(StartupError, match=f"{newer}, which a newer version .*{back}"):
        migrate(empty_url)
    assert state_of_migrations(empty_url) == "wrong"


def test_another_programs_database_is_not_taken_for_a_newer_one(empty_url: str) -> None:
    upgrade(empty_url)
    bring_to(empty_url, "f00dcafe1234")
    with pytest.raises(StartupError, match="cannot be brought to revision head"):
        migrate(empty_url)


# A revision that was landed is never changed again: what comes later is a revision of its own.
LANDED = {"0001_the_shop.py": "eb0559e159ad2ed5fae76b920877206a23141fa4c2bcb5c2aed76e391e110058"}


def test_landed_revisions_stay_as_they_are() -> None:
    folder = Path(migrations.__file__).parent / "versions"
    for name, digest in LANDED.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest


@pytest.fixture
def shop(database: Database) -> Database:
    """A product with its level, an order, a key and an operation that has ended."""
    with database.transaction() as connection:
        for statement in (
            "INSERT INTO categories (id) VALUES ('c')",
            f"""INSERT INTO products (id, name, description, price, category_id, images, status,
                low_stock_threshold, version)
                VALUES ('{NOBODY}', 'Mug', '', 1, 'c', '[]', 'draft', 5, 1)""",
            f"INSERT INTO stock_levels VALUES ('{NOBODY}', 5, 2, 1, true, now())",
            f"""INSERT INTO orders (id, status, version, customer_id, shipping_address, total,
                currency, created_at, updated_at)
                VALUES ('{NOBODY}', 'queued', 0, 'c', 'a', 1, 'USD', now(), now())""",
            f"""INSERT INTO api_keys (id, name, hint, secret_hash, scopes)
                VALUES ('{NOBODY}', 'k', '', 'x', '{{read}}')""",
            f"""INSERT INTO operations (id, queue, kind, payload, status, finished_at)
                VALUES ('{NOBODY}', 'line', 'adjust-stock', '{{}}', 'succeeded', now())""",
            f"""INSERT INTO stock_movements (product_id, version, kind, on_hand_change,
                reserved_change, on_hand, reserved, operation_id, created_at)
                VALUES ('{NOBODY}', 1, 'adjustment', 5, 0, 5, 0, '{NOBODY}', now())""",
            f"""INSERT INTO alerts (id, product_id, severity, stock, threshold, raised_at,
                raised_by)
                VALUES ('{NOBODY}', '{NOBODY}', 'low_stock', 3, 5, now(), '{NOBODY}')""",
        ):
            connection.exec_driver_sql(statement)
    return database


@pytest.mark.parametrize(
    "wrong",
    [
        "UPDATE stock_levels SET on_hand = -1",
        "UPDATE stock_levels SET reserved = 6",
        "UPDATE stock_levels SET reserved = -1",
        "UPDATE products SET price = -1",
        "UPDATE products SET status = 'sold'",
        "UPDATE products SET version = 0",
        "UPDATE orders SET status = 'lost'",
        "UPDATE orders SET status = 'rejected'",
        "UPDATE orders SET total = -1",
        "UPDATE operations SET status = 'queued', finished_at = NULL",
        "UPDATE operations SET status = 'dead', error = '{}'",
        "UPDATE operations SET finished_at = NULL",
        "UPDATE operations SET error = '{}'",
        "UPDATE stock_movements SET on_hand_change = 4",
        "DELETE FROM stock_movements",
        "TRUNCATE stock_movements",
        "UPDATE api_keys SET scopes = '{}'",
        "UPDATE api_keys SET scopes = '{root}'",
        "UPDATE alerts SET severity = 'none'",
        "UPDATE alerts SET resolved_at = now()",
        "INSERT INTO alerts SELECT gen_random_uuid(), product_id, severity, stock, threshold,"
        " raised_at, raised_by FROM alerts",
        "INSERT INTO operations (id, queue, kind, payload, product_id) VALUES"
        " (gen_random_uuid(), 'line', 'adjust-stock', '{}', gen_random_uuid())",
        "INSERT INTO operations (id, queue, kind, payload) VALUES"
        " (gen_random_uuid(), 'nowhere', 'adjust-stock', '{}')",
        "INSERT INTO installation DEFAULT VALUES",
        "DELETE FROM products",
        "DELETE FROM operations",
        "TRUNCATE operations CASCADE",
    ],
)
def test_a_wrong_state_is_impossible(shop: Database, wrong: str) -> None:
    with pytest.raises(DBAPIError) as refused, shop.transaction() as connection:
        connection.exec_driver_sql(wrong)
    code = getattr(refused.value.orig, "pgcode", "")
    assert isinstance(refused.value, IntegrityError) or code == "23001"
