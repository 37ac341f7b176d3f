"""Sales by day and by span: the rollups, and the moments whose days they no longer hold."""

from sqlalchemy import (
    TIMESTAMP,
    BigInteger,
    Column,
    Date,
    ForeignKey,
    Identity,
    Integer,
    Numeric,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import UUID as PgUUID

from db.base import metadata

sales_days = Table(
    "sales_days",
    metadata,
    Column("timezone", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("orders", BigInteger, nullable=False),
    Column("units", BigInteger, nullable=False),
    Column("revenue", Numeric(20, 2), nullable=False),
)

product_sales_days = Table(
    "product_sales_days",
    metadata,
    Column("timezone", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("product_id", PgUUID(as_uuid=True), ForeignKey("products.id"), primary_key=True),
    Column("units", BigInteger, nullable=False),
    Column("revenue", Numeric(20, 2), nullable=False),
)

# The spans of days that are the sum of their days: those whose days have changed since are struck
# by a trigger, whatever version of the code changes them.
sales_spans = Table(
    "sales_spans",
    metadata,
    Column("timezone", Text, primary_key=True),
    Column("size", Integer, primary_key=True),
    Column("first", Date, primary_key=True),
)

# Without a key to products: its rows are sums of rows that have one.
product_sales_spans = Table(
    "product_sales_spans",
    metadata,
    Column("timezone", Text, primary_key=True),
    Column("size", Integer, primary_key=True),
    Column("first", Date, primary_key=True),
    Column("product_id", PgUUID(as_uuid=True), primary_key=True),
    Column("units", BigInteger, nullable=False),
    Column("revenue", Numeric(20, 2), nullable=False),
)

# Appended by the line in the transaction that changes a sale. A list, not a set: the line never
# waits here for a rollup that is just being written.
sales_changes = Table(
    "sales_changes",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("accepted_at", TIMESTAMP(timezone=True), nullable=False),
)
