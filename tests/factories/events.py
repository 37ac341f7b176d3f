"""Whether what was told is what the AsyncAPI document says: every event that any test leaves."""

from functools import lru_cache
from typing import Any

import jsonschema_rs
from sqlalchemy import Connection, text

from workers.events import EVENTS


@lru_cache
def document() -> dict[str, Any]:
    """The AsyncAPI document."""
    from web import asyncapi

    return asyncapi.document("localhost")


@lru_cache
def validator(schema: str) -> Any:
    """Validates against one of its schemas."""
    found = document()["components"]
    return jsonschema_rs.validator_for(
        {"$ref": f"#/components/schemas/{schema}", "components": found}, validate_formats=True
    )


def check_events(connection: Connection) -> None:
    """Hold all events that a database keeps to their schemas.

    Raises:
        jsonschema_rs.ValidationError: one does not fit.
    """
    rows = connection.execute(text("SELECT name, data, position FROM events"))
    for name, data, position in rows:
        told = {**data, "position": position, "cursor": "x"}
        validator(EVENTS[name].__name__).validate(told)
