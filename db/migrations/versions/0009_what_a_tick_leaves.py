"""What a job of the clock has left to do is kept with its tick.

Revision: 0009
Revises: 0008

The code of the revision before runs on this schema: what it has left to do it keeps in Redis, as
before.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("schedules", sa.Column("rest", postgresql.JSONB(), nullable=True))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_column("schedules", "rest")
