"""Rows of a bulk as they come: read one by one from JSON or CSV, whatever the size."""

import codecs
import csv
import json
import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import IO, Any

from web.errors import Invalid, Problem
from web.tables import restored

# A row of either form that is longer is none.
_LONGEST = 65_536
_BLANK = re.compile(r"[ \t\r\n]*")
_PIECE = 65_536

Row = tuple[int, str, dict[str, Any]]


def rows_of_json(file: IO[bytes]) -> Iterator[Row]:
    """The objects of a JSON array, with their places, from 0, and pointers (RFC 6901).

    Raises:
        Problem: 400, it is no JSON; 422, it is no array, or holds something else than objects.
    """
    reader = _Array(file)
    if not reader.next_is("["):
        raise reader.no_array()
    if reader.next_is("]"):
        reader.end()
        return
    place = 0
    while True:
        yield place, f"/{place}", reader.element(place)
        place += 1
        if reader.next_is("]"):
            reader.end()
            return
        reader.expect(",", f"has no comma after row {place}")


class _Array:
    """A JSON text that is read piece by piece."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._text = ""
        self._at = 0
        self._over = False
        self._json = json.JSONDecoder(parse_float=Decimal, parse_constant=Decimal)

    def expect(self, letter: str, otherwise: str) -> None:
        """Go past a letter that must come next."""
        if not self.next_is(letter):
            raise _malformed(otherwise)

    def next_is(self, letter: str) -> bool:
        """Whether it comes next; if so, go past it."""
        self._skip_blanks()
        if self._text[self._at : self._at + 1] != letter:
            return False
        self._at += 1
        return True

    def end(self) -> None:
        """Nothing may come any more."""
        self._skip_blanks()
        if self._at < len(self._text):
            raise _malformed("goes on after the array")

    def no_array(self) -> Problem:
        """What is wrong with what comes next in its place."""
        try:
            self._value(0)
        except Problem:
            return _malformed("must begin with a bracket: an array of rows")
        return Invalid(("", "must be an array of rows"))

    def element(self, place: int) -> dict[str, Any]:
        """The object that comes next; in sentences rows are counted as people count, from 1."""
        found = self._value(place)
        if not isinstance(found, dict):
            raise Invalid((f"/{place}", "must be an object"))
        return found

    def _value(self, place: int) -> Any:
        self._skip_blanks()
        while True:
            try:
                found, self._at = self._json.raw_decode(self._text, self._at)
            except RecursionError:
                raise _malformed(f"is nested too deeply in row {place + 1}") from None
            except json.JSONDecodeError as error:
                # An object that is not over yet is no JSON either: only the rest of it tells.
                if len(self._text) - self._at > _LONGEST or not self._read():
                    raise _malformed(f"is no JSON in row {place + 1}: {error.msg}") from None
            except (ValueError, InvalidOperation):
                raise Invalid(
                    (f"/{place}", "a number has too many digits or too large an exponent")
                ) from None
            else:
                return found

    def _skip_blanks(self) -> None:
        while True:
            self._at = _BLANK.match(self._text, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._text) or not self._read():
                return

    def _read(self) -> bool:
        """One piece more; False at the end."""
        if self._over:
            return False
        piece = self._file.read(_PIECE)
        self._over = not piece
        try:
            more = self._decoder.decode(piece, final=self._over)
        except UnicodeDecodeError:
            raise _malformed("is no UTF-8") from None
        self._text, self._at = self._text[self._at :] + more, 0
        return not self._over


def _malformed(fault: str) -> Problem:
    return Problem(400, "malformed-request", f"The body {fault}.")


def rows_of_csv(
    file: IO[bytes],
    columns: dict[str, str],
    needed: tuple[tuple[str, ...], ...],
    longest: int = _LONGEST,
) -> Iterator[Row]:
    """The rows of a CSV file (RFC 4180), with their numbers and pointers (RFC 7111).

    The heading is row 1. Commas, semicolons or tabs separate; empty cells are left out.

    Args:
        file: UTF-8, with a byte-order mark or without.
        columns: the columns that there may be, and the fields that they fill; an empty name
            stands for a column that is passed over.
        needed: of each of these groups one column must be there.
        longest: bytes that a line may have.

    Raises:
        Invalid: it cannot be read; the row is named.
    """
    lines = _lines(file, longest)
    heading = next(lines, "")
    separator = max(",;\t", key=heading.count)
    names = _names(heading, separator, columns, needed)
    reader = csv.reader(lines, delimiter=separator, strict=True)
    number = 1
    try:
        for cells in reader:
            number += 1
            if not any(cells):
                continue
            if len(cells) != len(names):
                raise _unreadable(number, f"has {len(cells)} cells under {len(names)} columns")
            fields = {columns[name]: cell for name, cell in zip(names, cells, strict=True) if cell}
            fields.pop("", None)
            yield number, f"#row={number}", {n: restored(cell) for n, cell in fields.items()}
    except csv.Error as error:
        said = "a quote is left open" if "unexpected end" in str(error) else str(error)
        if "field larger" in said:
            said = "a cell is too long; most likely a quote is left open"
        raise _unreadable(number + 1, f"cannot be read: {said}") from None


def whole(cell: str) -> int | str:
    """The whole number of a cell, in ASCII digits; what is none stays as it is, to be refused.

    Of an absurdly long one as many digits count as put it out of all bounds: more would cost.
    """
    sign, digits = ("-", cell[1:]) if cell.startswith("-") else ("", cell)
    if not (digits.isascii() and digits.isdigit()):
        return cell
    return int(sign + (digits.lstrip("0")[:19] or "0"))


def _names(
    heading: str, separator: str, columns: dict[str, str], needed: tuple[tuple[str, ...], ...]
) -> list[str]:
    """The names of the columns, as `columns` spells them."""
    try:
        (cells,) = csv.reader([heading], delimiter=separator, strict=True)
    except (csv.Error, ValueError):
        raise _unreadable(1, "must name the columns") from None
    known = {name.casefold(): name for name in columns}
    may_be = f"there are {', '.join(columns)}"
    if len(cells) > len(columns):
        raise _unreadable(1, f"names {len(cells)} columns; {may_be}")
    names = []
    for cell in cells:
        name = known.get(cell.strip().casefold())
        if name is None:
            raise _unreadable(1, f"names an unknown column {cell[:50]!r}; {may_be}")
        if name in names:
            raise _unreadable(1, f"names the column {name} twice")
        names.append(name)
    missing = [" or ".join(group) for group in needed if not set(group) & set(names)]
    if missing:
        raise _unreadable(1, f"lacks the column {', '.join(missing)}")
    return names


def _lines(file: IO[bytes], longest: int) -> Iterator[str]:
    number = 0
    while line := file.readline(longest + 1):
        number += 1
        if number == 1:
            if line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                raise _unreadable(1, "is in UTF-16; save the file as CSV in UTF-8")
            line = line.removeprefix(codecs.BOM_UTF8)
        if len(line) > longest:
            raise Invalid((f"#row={number}", f"line {number} is longer than {longest} bytes"))
        try:
            yield line.decode()
        except UnicodeDecodeError:
            detail = f"line {number} is no UTF-8; save the file as CSV in UTF-8"
            raise Invalid((f"#row={number}", detail)) from None


def _unreadable(number: int, fault: str) -> Invalid:
    what = "the heading" if number == 1 else "the row"
    return Invalid((f"#row={number}", f"{what} {fault}"))
