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


def execute(
    connection: Connection, statement: str, values: dict[str, Any]
) -> CursorResult[*tuple[Any, ...]]:
    """Run a statement, after the first time without parsing and planning it again.

    That is half of what a small statement costs. They live as long as the session, whatever
    becomes of the transaction.

    Args:
        connection: in the caller's transaction.
        statement: with places like ``%(name)s``, the types of which PostgreSQL can tell.
        values: for the places.
    """
    known: dict[str, str] = connection.info.setdefault("prepared", {})
    call = known.get(statement)
    if call is None:
        if len(known) >= _MOST:
            return connection.exec_driver_sql(statement, values)
        name = f"line_{next(_numbers)}"
        body, places = _numbered(statement)
        connection.exec_driver_sql(f"PREPARE {name} AS {body}")
        given = ", ".join(f"%({one})s" for one in places)
        call = known[statement] = f"EXECUTE {name}" + (f"({given})" if given else "")
    return connection.exec_driver_sql(call, values)


@lru_cache(maxsize=256)
def _numbered(statement: str) -> tuple[str, list[str]]:
    """The statement as PREPARE takes it, and the names of its places in their order."""
    names: list[str] = []

    def number(found: re.Match[str]) -> str:
        if found[1] not in names:
            names.append(found[1])
        return f"${names.index(found[1]) + 1}"

    return _PLACE.sub(number, statement), names
