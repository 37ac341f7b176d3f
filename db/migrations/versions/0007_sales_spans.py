"""Sales over spans of days, by product: a year is read from a few rows of each.

Revision: 0007
Revises: 0006

A span is there only while it is the sum of its days: whoever writes or drops the rollup of a day
takes its spans away. The code of the revision before runs on this schema: its rollups do so too,
and the next rollup of this revision writes the spans anew.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

FORGET = """
    CREATE FUNCTION forget_sales_spans() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        DELETE FROM sales_spans WHERE (timezone, size, first) IN (
            SELECT c.timezone, s.size, c.day - (c.day - DATE '0001-01-01') % s.size
            FROM changed c, (SELECT DISTINCT size FROM sales_spans) s
        );
        RETURN NULL;
    END $$
"""
TRIGGER = """
    CREATE TRIGGER forget_spans_of_{kind} AFTER {event} ON sales_days
    REFERENCING {side} TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION forget_sales_spans()
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.create_table(
        "sales_spans",
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("first", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("timezone", "size", "first", name=op.f("pk_sales_spans")),
    )
    op.create_table(
        "product_sales_spans",
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("first", sa.Date(), nullable=False),
        sa.Column("product_id", sa.UUID(), nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.Column("revenue", sa.Numeric(precision=20, scale=2), nullable=False),
        sa.PrimaryKeyConstraint(
            "timezone", "size", "first", "product_id", name=op.f("pk_product_sales_spans")
        ),
    )
    op.execute(FORGET)
    for kind, event, side in (("new_days", "INSERT", "NEW"), ("old_days", "DELETE", "OLD")):
        op.execute(TRIGGER.format(kind=kind, event=event, side=side))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    for kind in ("new_days", "old_days"):
        op.execute(f"DROP TRIGGER forget_spans_of_{kind} ON sales_days")
    op.execute("DROP FUNCTION forget_sales_spans()")
    op.drop_table("product_sales_spans")
    op.drop_table("sales_spans")
