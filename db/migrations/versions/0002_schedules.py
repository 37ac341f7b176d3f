"""Schedules: each tick of the clock is taken up once, whoever sends it how often.

Revision: 0002
Revises: 0001

The code of the revision before runs on this schema: it knows nothing of the table.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "schedules",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("tick", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("claimed_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("finished_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("runs", sa.BigInteger(), nullable=False),
        sa.Column("missed", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("runs >= 1 AND missed >= 0", name=op.f("ck_schedules_counts")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_schedules")),
        postgresql_with={"fillfactor": "50"},
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("schedules")
