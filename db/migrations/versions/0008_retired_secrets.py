"""Secrets that were rotated are remembered, as hashes.

Revision: 0008
Revises: 0007

A first admin key that the operator gives at each start would else come back with the secret that
it was rotated away from. The code of the revision before runs on this schema: what it rotates is
not remembered.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    kind = postgresql.ARRAY(sa.LargeBinary())
    column = sa.Column("retired_hashes", kind, server_default="{}", nullable=False)
    op.add_column("api_keys", column)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_column("api_keys", "retired_hashes")
