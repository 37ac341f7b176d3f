"""The command line's products in CSV: what their cells say, before anything is sent."""

import csv
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import IO, Any
from uuid import UUID

import orjson

from web.bulk_rows import rows_of_csv, whole
from web.cli_errors import USAGE, CommandError
from web.cli_output import printable
from web.errors import Problem
from web.schemas.base import LONGEST_TEXT
from web.schemas.products import LONGEST_IMAGE, MOST_IMAGES

_COLUMNS = {
    "sku": "sku",
    "name": "name",
    "description": "description",
    "price": "price",
    "categoryId": "categoryId",
    "images": "images",
    "lowStockThreshold": "lowStockThreshold",
    "status": "status",
    "id": "id",
    # Of an export, and passed over.
    "version": "",
    "createdAt": "",
    "updatedAt": "",
}
_NEEDED = (("name",), ("price",), ("categoryId",))
# A character may be written as a pair of escapes in JSON, and a cell may hold some blanks.
_LONGEST_CELL = 2 * len("\\u0000") * MOST_IMAGES * (LONGEST_IMAGE + 10)
# A letter of the description takes up to four bytes; the other cells are short.
_LONGEST_LINE = _LONGEST_CELL + 4 * LONGEST_TEXT + 65_536
_SHOWN = 50
# More digits than any price has, and few enough for a number of JSON.
_DECIMAL = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?")


def checked(content: IO[bytes]) -> list[tuple[int, dict[str, Any]]]:
    """All rows with their numbers: one that cannot be read is told before anything is done.

    Raises:
        CommandError: it names the row, and the column.
    """
    try:
        with _cells_of(_LONGEST_CELL):
            found = rows_of_csv(content, _COLUMNS, _NEEDED, _LONGEST_LINE)
            return [(number, body_of(number, fields)) for number, _, fields in found]
    except Problem as problem:
        faults = problem.facts.get("errors", [{"pointer": "", "detail": problem.detail}])
        said = "; ".join(f"{one['pointer'].lstrip('#')}: {one['detail']}" for one in faults)
        raise CommandError(printable(said), USAGE) from None


@contextmanager
def _cells_of(characters: int) -> Iterator[None]:
    """Have cells be so long: the module knows one limit for the whole process."""
    before = csv.field_size_limit(characters)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def body_of(number: int, fields: dict[str, str]) -> dict[str, Any]:
    """A row as a document of a product.

    Raises:
        CommandError: a cell cannot be read.
    """
    body: dict[str, Any] = {"price": None, **fields}
    for name, read in _READERS.items():
        if name not in fields:
            continue
        try:
            body[name] = read(fields[name])
        except ValueError as error:
            cell = printable(fields[name][:_SHOWN])
            raise CommandError(f"row {number}: {name}: {cell!r} {error}", USAGE) from None
    return body


def _id(cell: str) -> str:
    """It becomes a part of an address, in which it must not lead elsewhere."""
    try:
        return str(UUID(cell))
    except ValueError:
        raise ValueError("is no id") from None


def _price(cell: str) -> Decimal:
    if not _DECIMAL.fullmatch(cell.strip()):
        raise ValueError("is no number such as 12.50")
    return Decimal(cell.strip())


def _threshold(cell: str) -> int:
    found = whole(cell.strip())
    if isinstance(found, str):
        raise ValueError("is no whole number")
    return found


def _images(cell: str) -> Any:
    try:
        return orjson.loads(cell) if cell.startswith("[") else cell.split()
    except ValueError:
        raise ValueError("is no JSON array, and no addresses with blanks between") from None


def _status(cell: str) -> str:
    if cell not in ("draft", "published"):
        raise ValueError("is unknown; draft and published are known")
    return cell


_READERS: dict[str, Callable[[str], Any]] = {
    "id": _id,
    "price": _price,
    "lowStockThreshold": _threshold,
    "images": _images,
    "status": _status,
}
