"""Integrity on the wire."""

from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints

from db.queries.integrity import Check
from web.schemas.base import CURSOR, Body, Id, Out, Time

_UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


class IntegrityQuery(Body):
    """Where to go on."""

    cursor: str | None = Field(
        default=None,
        max_length=500,
        pattern=CURSOR,
        description="`nextCursor` of an answer that did not come to the end",
    )


class DifferenceOut(Out):
    """Something that is not as the rest of the database says that it must be."""

    check: Check = Field(description="What was compared")
    product_id: UUID | None
    name: str | None = Field(description="The product's")
    stream: str | None = Field(description="The stream that has a gap")
    detail: str


class Checked(Out):
    """How much was compared."""

    products: int
    movements: int
    orders: int
    streams: int = Field(description="Of the system and of each key's operations")


class IntegrityOut(Out):
    """Whether all that the database holds twice is the same both times."""

    ok: bool = Field(description="Whether there is no difference in this answer")
    differences: list[DifferenceOut]
    checked: Checked
    next_cursor: str | None = Field(description="Where to go on; null if all was compared")
    as_of: Time


class RepairIn(Body):
    """Which product's level and alert to mend."""

    product_id: Id


class StreamRepairIn(Body):
    """Which stream to mend."""

    stream: Annotated[
        str,
        StringConstraints(
            strict=True, pattern=rf"^(system|(stock|order|product|operations):{_UUID})$"
        ),
    ] = Field(description="As a difference names it")
