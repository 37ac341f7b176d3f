"""Bulks: many adjustments in one operation, which waits beside the line.

Revision: 0004
Revises: 0003

The code of the revision before runs on this schema: it takes nothing from the new queue.
"""

import sqlalchemy as sa
from alembic import op
from alembic.util import CommandError
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def _know_queues(*queues: str) -> None:
    known = ", ".join(f"'{queue}'" for queue in queues)
    op.drop_constraint(op.f("ck_operations_queue_known"), "operations")
    # Rows of before keep to the narrower rule; to look at each of them would lock the table.
    op.execute(
        "ALTER TABLE operations ADD CONSTRAINT ck_operations_queue_known"
        f" CHECK (queue IN ({known})) NOT VALID"
    )


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    _know_queues("line", "bulk", "analytics")
    op.create_table(
        "bulks",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), server_default="0", nullable=False),
        sa.Column("refused", sa.Integer(), server_default="0", nullable=False),
        sa.Column("given_up", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_row", sa.Integer(), server_default="0", nullable=False),
        sa.Column("told_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "total >= 1 AND done BETWEEN 0 AND total AND refused BETWEEN 0 AND done",
            name=op.f("ck_bulks_counts"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bulks")),
        postgresql_with={"fillfactor": "20"},
    )
    op.create_table(
        "bulk_rows",
        sa.Column("bulk_id", sa.UUID(), nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.Column("product_id", sa.UUID(), nullable=False),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("suspect", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("problem", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.CheckConstraint("change <> 0", name=op.f("ck_bulk_rows_changes_something")),
        sa.CheckConstraint(
            "state IN ('waiting', 'passed', 'refused')", name=op.f("ck_bulk_rows_state_known")
        ),
        sa.CheckConstraint(
            "(state = 'refused') = (problem IS NOT NULL)",
            name=op.f("ck_bulk_rows_refused_with_reason"),
        ),
        sa.PrimaryKeyConstraint("bulk_id", "row", name=op.f("pk_bulk_rows")),
    )
    op.create_index(
        "ix_bulk_rows_waiting",
        "bulk_rows",
        ["bulk_id", "product_id", "row"],
        unique=False,
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_index(
        "ix_bulk_rows_suspect",
        "bulk_rows",
        ["bulk_id", "row"],
        unique=False,
        postgresql_where=sa.text("suspect"),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    # First, so that none comes any more once they are counted.
    _know_queues("line", "analytics")
    _refuse_while_bulks_wait()
    op.drop_index("ix_bulk_rows_suspect", table_name="bulk_rows")
    op.drop_index("ix_bulk_rows_waiting", table_name="bulk_rows")
    op.drop_table("bulk_rows")
    op.drop_table("bulks")


def _refuse_while_bulks_wait() -> None:
    """They are accepted, and without their rows nothing could be done for them."""
    waiting = op.get_bind().execute(
        sa.text("SELECT count(*) FROM operations WHERE status = 'queued' AND queue = 'bulk'")
    )
    count = waiting.scalar_one()
    if count:
        raise CommandError(f"{count} bulk operations are still in line; let them end first")
