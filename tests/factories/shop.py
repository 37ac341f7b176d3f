"""Keys and products, as tests need them."""

from uuid import UUID

from uuid_utils.compat import uuid7

from db.models.api_key import ApiKey
from db.queries import products
from db.session import Database
from web.auth import create_key


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
