"""The clock's schedules: which tick of each was the last one taken up."""

from sqlalchemy import TIMESTAMP, BigInteger, CheckConstraint, Column, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from db.base import metadata

schedules = Table(
    "schedules",
    metadata,
    Column("name", Text, primary_key=True),
    Column("tick", TIMESTAMP(timezone=True), nullable=False),
    Column("claimed_at", TIMESTAMP(timezone=True), nullable=False),
    Column("finished_at", TIMESTAMP(timezone=True)),
    # Every tick since the first is either a run or stood for by the next run.
    Column("runs", BigInteger, nullable=False),
    Column("missed", BigInteger, nullable=False),
    # What the run that has finished left for another one of the same tick.
    Column("rest", JSONB),
    CheckConstraint("runs >= 1 AND missed >= 0", name="counts"),
    postgresql_with={"fillfactor": "50"},
)
