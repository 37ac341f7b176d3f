"""Keys, products and empty shops, as tests need them."""

from contextlib import ExitStack
from uuid import UUID

from uuid_utils.compat import uuid7

from db.base import metadata
from db.models.api_key import ApiKey
from db.queries import products
from db.session import Database
from tests.factories.events import check_events, read_events
from web.auth import create_key, keyring

# What a migration writes, and not what a shop does.
_KEPT = {"installation", "line_marker"}


def empty(database: Database) -> None:
    """Leave a database as after its migration; what was told until now is held to its schemas."""
    tables = ", ".join(t.name for t in metadata.sorted_tables if t.name not in _KEPT)
    with ExitStack() as stack, database.transaction() as connection:
        events = read_events(connection)
        # Emptied whatever they are, so that one test's events are not the fault of all others.
        stack.callback(check_events, events)
        stack.callback(keyring.forget)
        # The ledger refuses to be emptied; a replica does not ask its triggers.
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        connection.exec_driver_sql(f"TRUNCATE {tables} RESTART IDENTITY CASCADE")
        connection.exec_driver_sql("INSERT INTO streams (name, head) VALUES ('system', 0)")
        connection.exec_driver_sql("UPDATE line_marker SET token = NULL")


def new_key(database: Database) -> ApiKey:
    """An API key that submits operations."""
    with database.transaction() as connection:
        key, _ = create_key(connection, name="test", scopes=["admin"])
    assert key is not None
    return key


def new_products(database: Database, count: int, threshold: int = 3) -> list[UUID]:
    """Products with empty shelves."""
    with database.transaction() as connection:
        return [
            products.insert(
                connection,
                id=uuid7(),
                sku=None,
                name=f"Product {number}",
                description="",
                price="2.50",
                category_id="c",
                images=[],
                low_stock_threshold=threshold,
            ).id
            for number in range(count)
        ]
