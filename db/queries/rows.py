"""Many rows in one statement: the set-based writes of the line."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import orjson
from sqlalchemy import Connection, TextClause, text


def insert_rows(connection: Connection, table: str, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows of the same columns.

    Args:
        connection: in the caller's transaction.
        table: a table of ours; never a client's word.
        rows: JSON-like values; PostgreSQL gives them the types of the table's columns.
    """
    if rows:
        statement = _insert(table, tuple(rows[0]))
        connection.execute(statement, {"rows": orjson.dumps(rows).decode()})


def update_rows(
    connection: Connection, table: str, key: str, rows: Sequence[dict[str, Any]]
) -> None:
    """Update rows of the same columns, found by one of them.

    Raises:
        RuntimeError: a row was not there; the transaction must not go on.
    """
    if rows:
        statement = _update(table, key, tuple(rows[0]))
        changed = connection.execute(statement, {"rows": orjson.dumps(rows).decode()}).rowcount
        if changed != len(rows):
            raise RuntimeError(f"{changed} of {len(rows)} rows of {table} were there to update")


@lru_cache
def _insert(table: str, columns: tuple[str, ...]) -> TextClause:
    names = ", ".join(columns)
    return text(
        f"INSERT INTO {table} ({names})"  # noqa: S608 - our own names
        f" SELECT {names} FROM json_populate_recordset(NULL::{table}, :rows)"
    )


@lru_cache
def _update(table: str, key: str, columns: tuple[str, ...]) -> TextClause:
    changes = ", ".join(f"{name} = given.{name}" for name in columns if name != key)
    return text(
        f"UPDATE {table} AS kept SET {changes}"  # noqa: S608 - our own names
        f" FROM json_populate_recordset(NULL::{table}, :rows) AS given"
        f" WHERE kept.{key} = given.{key}"
    )
