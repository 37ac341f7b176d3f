"""Tables for spreadsheets: lists as streamed CSV (RFC 4180), in UTF-8, whatever the size."""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from io import StringIO
from typing import Any

import orjson
from flask import Response, request

from web.schemas.base import rfc3339

# A spreadsheet takes a cell that begins so for a formula, and may do what it says. Where decimals
# have a comma it begins one at a semicolon or a tab as well, and then knows no quotes.
_FORMULA = "=+\\-@\uff1d\uff0b\uff0d\uff20'"
_DANGER = re.compile(rf"\A(?=[\t\r\n{_FORMULA}])|(?<=[;\t\r\n])(?=[{_FORMULA}])")
_MENDED = re.compile(rf"\A'(?=[\t\r\n{_FORMULA}])|(?<=[;\t\r\n])'(?=[{_FORMULA}])")
#: Rows that are read at once.
PAGE = 500


def wants_csv() -> bool:
    """Whether the client would rather have CSV than JSON."""
    return request.accept_mimetypes.best_match(["application/json", "text/csv"]) == "text/csv"


def harmless(text: str) -> str:
    """Text that no spreadsheet takes for a formula: an apostrophe before it says that it is text.

    Source: OWASP, "CSV Injection".
    """
    return _DANGER.sub("'", text)


def restored(text: str) -> str:
    """What `harmless` was given."""
    return _MENDED.sub("", text)


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, str):
        return harmless(value)
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, list | dict):
        return harmless(orjson.dumps(value).decode())
    return value


def table(name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Response:
    """A table as it goes out, piece by piece.

    Args:
        name: of the file.
        columns: their names.
        rows: read while they are sent; what fails at its first page is still a problem.
    """
    pieces = _written(columns, rows)
    first = next(pieces)

    def all_pieces() -> Iterator[bytes]:
        yield first
        yield from pieces

    response = Response(all_pieces(), content_type="text/csv; charset=utf-8; header=present")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    response.headers["Vary"] = "Accept"
    return response


def _written(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    buffer = StringIO()
    writer = csv.writer(buffer)
    writer.writerow(columns)
    for number, row in enumerate(rows, 1):
        writer.writerow([_cell(value) for value in row])
        if number % PAGE == 0:
            yield buffer.getvalue().encode("utf-8", "replace")
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode("utf-8", "replace")


def keyset(read: Callable[[Any], list[Any]], place: Callable[[Any], Any]) -> Iterator[Any]:
    """All items of a list, read page by page.

    Each page is a read of its own: no transaction has to wait for a slow client.

    Args:
        read: a page of at most `PAGE` items after a place; None is the beginning.
        place: the place of an item.
    """
    after = None
    while True:
        page = read(after)
        yield from page
        if len(page) < PAGE:
            return
        after = place(page[-1])
