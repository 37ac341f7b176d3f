"""Whether what was told is what the AsyncAPI document says: every event that any test leaves."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import jsonschema_rs
from sqlalchemy import Connection, text

from db.session import make_engine
from db.settings import DatabaseSettings
from workers.events import EVENTS

# So many are enough to see every shape, and cost a second where a test has left a million.
_MOST = 20_000


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


def read_events(connection: Connection) -> list[tuple[str, dict[str, Any], int]]:
    """The events that a database keeps, 20,000 of them at the most: name, data, position."""
    rows = connection.execute(text(f"SELECT name, data, position FROM events LIMIT {_MOST}"))
    return [(name, data, position) for name, data, position in rows]


def check_events(events: Iterable[tuple[str, dict[str, Any], int]]) -> None:
    """Hold events to their schemas.

    Raises:
        jsonschema_rs.ValidationError: one does not fit.
    """
    for name, data, position in events:
        told = {**data, "position": position, "cursor": "x"}
        validator(EVENTS[name].__name__).validate(told)


def check_events_of(url: str) -> None:
    """The same for a service's database, as its setting names it.

    Raises:
        jsonschema_rs.ValidationError: one does not fit.
    """
    engine = make_engine(
        DatabaseSettings(database_url=url).database_url,
        application="test",
        statement_timeout_ms=20_000,
        idle_in_transaction_ms=20_000,
        pool_size=1,
    )
    try:
        with engine.connect() as connection:
            check_events(read_events(connection))
    finally:
        engine.dispose()
