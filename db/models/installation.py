"""What there is once in an installation: its epoch, and the signs of life of its processes."""

from sqlalchemy import TIMESTAMP, Boolean, CheckConstraint, Column, Table, Text, text
from sqlalchemy.dialects.postgresql import UUID as PgUUID

from db.base import metadata

installation = Table(
    "installation",
    metadata,
    Column("one_row", Boolean, primary_key=True, server_default=text("true")),
    Column("epoch", PgUUID(as_uuid=True), nullable=False, server_default=text("gen_random_uuid()")),
    CheckConstraint("one_row", name="only_one"),
)

heartbeats = Table(
    "heartbeats",
    metadata,
    Column("name", Text, primary_key=True),
    Column("at", TIMESTAMP(timezone=True), nullable=False),
)
