"""Cursors of lists: opaque to clients, a place in the list to us."""

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import orjson

from web.errors import Invalid

Row = TypeVar("Row")


def encode_cursor(place: Sequence[Any]) -> str:
    """A place, as values that sort the list, in a form that means nothing to clients."""
    return base64.urlsafe_b64encode(orjson.dumps(list(place))).decode().rstrip("=")


def moment(value: str) -> datetime:
    """A moment of a cursor.

    Raises:
        ValueError: it is none, or one that no database knows.
    """
    found = datetime.fromisoformat(value)
    if found.tzinfo is None:
        raise ValueError(value)
    try:
        return found.astimezone(UTC)
    except OverflowError:
        raise ValueError(value) from None


def decode_cursor(cursor: str | None, *types: Callable[[Any], Any]) -> list[Any] | None:
    """The place that a cursor stands for.

    Args:
        cursor: what a client sent back.
        types: makes each value of the place what it was.

    Raises:
        Invalid: it is none of ours.
    """
    if cursor is None:
        return None
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        values = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if not isinstance(values, list) or len(values) != len(types):
            raise ValueError(cursor)
        return [kind(value) for kind, value in zip(types, values, strict=True)]
    except (ValueError, TypeError, AttributeError, binascii.Error):
        raise Invalid(("?cursor", "is no cursor of this list")) from None


def cut(rows: list[Row], limit: int, place: Callable[[Row], Sequence[Any]]) -> dict[str, Any]:
    """The page of a list that was read with one row more than asked for.

    Args:
        rows: at most ``limit + 1`` of them.
        limit: how many belong to the page.
        place: what the next page begins after.
    """
    more = len(rows) > limit
    rows = rows[:limit]
    return {"items": rows, "next_cursor": encode_cursor(place(rows[-1])) if more else None}
