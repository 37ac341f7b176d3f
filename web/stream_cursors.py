"""Cursors: a client's place in one stream of one installation, opaque to the client."""

import re
from hashlib import blake2b
from uuid import UUID

_FORM = re.compile(r"([0-9a-f]{12})\.(0|[1-9][0-9]{0,17})")


def stream_mark(epoch: UUID, stream: str) -> str:
    """What tells a stream from every other one, and from its namesake in a restored copy."""
    return blake2b(f"{epoch}/{stream}".encode(), digest_size=6).hexdigest()


def make_cursor(mark: str, position: int) -> str:
    """The cursor of a place.

    Args:
        mark: of the stream.
        position: the last number that the client has.
    """
    return f"{mark}.{position}"


def parse_cursor(cursor: str) -> tuple[str, int]:
    """The mark and the position of a cursor.

    Raises:
        ValueError: it is none of ours.
    """
    found = _FORM.fullmatch(cursor)
    if found is None:
        raise ValueError("is no cursor")
    return found[1], int(found[2])
