"""Prepared statements: those of the line are parsed and planned once a connection."""

import re
from functools import lru_cache
from itertools import count
from typing import Any

from sqlalchemy import Connection, CursorResult

# Statements differ by which tables they write; so many of them are kept in a connection.
_MOST = 100
_numbers = count(1)
_PLACE = re.compile(r"%\((\w+)\)s")


# Ends the transaction when it is sent before a statement.
COMMIT = "COMMIT"


def execute(
    connection: Connection, statement: str, values: dict[str, Any], *, before: str | None = None
) -> CursorResult[*tuple[Any, ...]]:
    """Run a statement, after the first time without parsing and planning it again.

    That is half of what a small statement costs. They live as long as the session, whatever
    becomes of the transaction.

    Args:
        connection: in the caller's transaction.
        statement: with places like ``%(name)s``, the types of which PostgreSQL can tell.
        values: for the places.
        before: another statement that is sent with it and runs first, or `COMMIT`; its answer is
            not seen. If it fails, so does the whole.
    """
    call = _call(connection, statement)
    if before is not None:
        first = before if before == COMMIT else _call(connection, before)
        call = f"{first}; {call}"
    return connection.exec_driver_sql(call, values)


def _call(connection: Connection, statement: str) -> str:
    """What runs the prepared statement, or the statement itself if too many are."""
    known: dict[str, str] = connection.info.setdefault("prepared", {})
    call = known.get(statement)
    if call is None:
        if len(known) >= _MOST:
            return statement
        name = f"line_{next(_numbers)}"
        body, places = _numbered(statement)
        connection.exec_driver_sql(f"PREPARE {name} AS {body}")
        given = f"({', '.join(f'%({one})s' for one in places)})" if places else ""
        call = known[statement] = f"EXECUTE {name}{given}"
    return call


@lru_cache(maxsize=256)
def _numbered(statement: str) -> tuple[str, list[str]]:
    """The statement as PREPARE takes it, and the names of its places in their order."""
    names: list[str] = []

    def number(found: re.Match[str]) -> str:
        if found[1] not in names:
            names.append(found[1])
        return f"${names.index(found[1]) + 1}"

    return _PLACE.sub(number, statement), names
