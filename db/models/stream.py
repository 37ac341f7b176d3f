"""Streams of numbered events: what clients are told, in the order of the commits.

A stream's number is the version of the row it tells about (a stock level, an order, a product);
only the streams that tell about no single row, an API key's operations and the system, have
their numbers here.
"""

from functools import lru_cache
from uuid import UUID

from sqlalchemy import TIMESTAMP, BigInteger, Column, Index, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from db.base import metadata

SYSTEM = "system"

streams = Table(
    "streams",
    metadata,
    Column("name", Text, primary_key=True),
    Column("head", BigInteger, nullable=False),
    # Every batch rewrites some.
    postgresql_with={"fillfactor": "50"},
)

events = Table(
    "events",
    metadata,
    Column("stream", Text, primary_key=True),
    Column("position", BigInteger, primary_key=True),
    Column("name", Text, nullable=False),
    Column("data", JSONB, nullable=False),
    Column("created_at", TIMESTAMP(timezone=True), nullable=False),
    Index("ix_events_created_at", "created_at", postgresql_using="brin"),
)


@lru_cache(maxsize=4096)
def stock_stream(product_id: UUID) -> str:
    """The stream of a product's stock."""
    return f"stock:{product_id}"


def order_stream(order_id: UUID) -> str:
    """The stream of an order."""
    return f"order:{order_id}"


def product_stream(product_id: UUID) -> str:
    """The stream of a product's data."""
    return f"product:{product_id}"


@lru_cache
def operations_stream(api_key_id: UUID) -> str:
    """The stream of the operations that one API key submitted."""
    return f"operations:{api_key_id}"
