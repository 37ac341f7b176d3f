"""Many rows of many tables in one statement: the set-based writes of the line."""

from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB

import db.models  # noqa: F401 - the tables' columns say which types the values have
from db.base import metadata
from db.queries.prepared import execute


class _Part(NamedTuple):
    """What is done to one table.

    Attributes:
        table: its name.
        key: the column by which rows to update are found; none to insert.
        columns: those that differ from row to row.
        same: those that are the same in every row.
        more: a clause at the end of an insert.
    """

    table: str
    key: str | None
    columns: tuple[str, ...]
    same: tuple[str, ...]
    more: str


class Writes:
    """Writes of several tables, collected and then sent as one statement: one round trip.

    No part of it sees what another part writes. All names are ours, never a client's words.
    """

    def __init__(self) -> None:
        self._parts: list[_Part] = []
        self._values: dict[str, Any] = {}
        self._updates: list[tuple[str, int]] = []

    def insert(
        self,
        table: str,
        columns: tuple[str, ...],
        rows: Sequence[Sequence[Any]],
        same: dict[str, Any] | None = None,
        more: str = "",
    ) -> None:
        """Insert rows.

        Args:
            table: where to.
            columns: what the values of a row are, in their order.
            rows: values that orjson writes; those of JSON columns may be JSON text already.
            same: columns that have one value in all rows.
            more: ``ON CONFLICT ...``.
        """
        if rows:
            self._add(_Part(table, None, columns, tuple(same or ()), more), rows, same)

    def update(
        self,
        table: str,
        columns: tuple[str, ...],
        rows: Sequence[Sequence[Any]],
        same: dict[str, Any] | None = None,
    ) -> None:
        """Update rows; the first column says which. The rest is as for `insert`."""
        if rows:
            self._updates.append((table, len(rows)))
            self._add(_Part(table, columns[0], columns, tuple(same or ()), ""), rows, same)

    def send(self, connection: Connection) -> None:
        """Write it all.

        Raises:
            RuntimeError: a row to update was not there; the transaction must not go on.
        """
        if not self._parts:
            return
        statement = _statement(tuple(self._parts))
        changed = execute(connection, statement, self._values).one()
        for (table, wanted), found in zip(self._updates, changed[1:], strict=True):
            if found != wanted:
                raise RuntimeError(f"{found} of {wanted} rows of {table} were there to update")

    def _add(self, part: _Part, rows: Sequence[Sequence[Any]], same: dict[str, Any] | None) -> None:
        number = len(self._parts)
        self._parts.append(part)
        for column, values in zip(part.columns, zip(*rows, strict=True), strict=True):
            wire = _lines(values) if _is_json(part.table, column) else array(values)
            self._values[f"{column}_{number}"] = wire
        for column, value in (same or {}).items():
            self._values[f"{column}_{number}"] = value


def insert_rows(connection: Connection, table: str, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows of the same columns into one table."""
    if rows:
        writes = Writes()
        writes.insert(table, tuple(rows[0]), [tuple(row.values()) for row in rows])
        writes.send(connection)


def update_rows(connection: Connection, table: str, rows: Sequence[dict[str, Any]]) -> None:
    """Update rows of the same columns in one table, found by the first of them.

    Raises:
        RuntimeError: a row was not there; the transaction must not go on.
    """
    if rows:
        writes = Writes()
        writes.update(table, tuple(rows[0]), [tuple(row.values()) for row in rows])
        writes.send(connection)


# Arrays, one for each column, are read by PostgreSQL in half the time that JSON records take, and
# cost Python next to nothing: a JSON array of plain values is an array literal but for brackets.


def array(values: Collection[Any]) -> str:
    """The literal of a PostgreSQL array of plain values: texts, numbers, ids, moments, None."""
    literal = orjson.dumps(list(values)).decode()
    if "\\" in literal:
        # In an array literal a backslash only says that the next character is meant as it is.
        literal = f"[{','.join(map(_quoted, values))}]"
    return f"{{{literal[1:-1]}}}"


def _quoted(text: str | None) -> str:
    if text is None:
        return "null"
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _lines(values: Iterable[Any]) -> str:
    """JSON, a line each: its text never holds a line's end."""
    return "\n".join(
        [value if isinstance(value, str) else orjson.dumps(value).decode() for value in values]
    )


@lru_cache(maxsize=256)
def _statement(parts: tuple[_Part, ...]) -> str:
    bodies = [_update(n, p) if p.key else _insert(n, p) for n, p in enumerate(parts)]
    named = ", ".join(f"part_{number} AS ({body})" for number, body in enumerate(bodies))
    counts = [f"(SELECT count(*) FROM part_{n})" for n, part in enumerate(parts) if part.key]  # noqa: S608
    return f"WITH {named} SELECT {', '.join(['0', *counts])}"


def _insert(number: int, part: _Part) -> str:
    columns = (*part.columns, *part.same)
    values = [_value(number, part, column) for column in columns]
    return (
        f"INSERT INTO {part.table} AS kept ({', '.join(columns)})"  # noqa: S608 - our own names
        f" SELECT {', '.join(values)} FROM {_given(number, part)} {part.more}"
    )


def _update(number: int, part: _Part) -> str:
    columns = (*part.columns[1:], *part.same)
    changes = [f"{column} = {_value(number, part, column)}" for column in columns]
    return (
        f"UPDATE {part.table} AS kept SET {', '.join(changes)}"  # noqa: S608 - our own names
        f" FROM {_given(number, part)} WHERE kept.{part.key} = given.{part.key} RETURNING 1"
    )


def _value(number: int, part: _Part, column: str) -> str:
    if column in part.same:
        return f"CAST(%({column}_{number})s AS {_type(part.table, column)})"
    return f"given.{column}" + ("::jsonb" if _is_json(part.table, column) else "")


def _given(number: int, part: _Part) -> str:
    arrays = [
        f"string_to_array(%({column}_{number})s, E'\\n', 'null')"
        if _is_json(part.table, column)
        else f"CAST(%({column}_{number})s AS {_type(part.table, column)}[])"
        for column in part.columns
    ]
    return f"unnest({', '.join(arrays)}) AS given ({', '.join(part.columns)})"


_dialect = postgresql.dialect()  # type: ignore[no-untyped-call]


@lru_cache
def _type(table: str, column: str) -> str:
    return str(metadata.tables[table].c[column].type.compile(_dialect))


@lru_cache
def _is_json(table: str, column: str) -> bool:
    return isinstance(metadata.tables[table].c[column].type, JSONB)
