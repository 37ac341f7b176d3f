"""Cursors: a client's place in one stream of one installation, opaque to the client."""

import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any
from uuid import UUID
from zlib import crc32

import orjson

_FORM = re.compile(r"([0-9a-f]{12})\.(0|[1-9][0-9]{0,17})(?:\.([0-9a-f]{8})?)?")


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in a stream: everything up to it has been told.

    Attributes:
        mark: tells the stream from every other one.
        position: the last number that the client has.
        tag: of the event under that number; empty if there is none, or none any more.
    """

    mark: str
    position: int
    tag: str

    def __str__(self) -> str:
        return f"{self.mark}.{self.position}.{self.tag}"

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Read a cursor as clients keep it.

        Raises:
            ValueError: it is none of ours.
        """
        found = _FORM.fullmatch(text)
        if found is None:
            raise ValueError("is no cursor")
        return cls(found[1], int(found[2]), found[3] or "")


def stream_mark(epoch: UUID, stream: str) -> str:
    """What tells a stream from every other one, of this installation and of all others."""
    return blake2b(f"{epoch}/{stream}".encode(), digest_size=6).hexdigest()


def event_tag(data: dict[str, Any]) -> str:
    """What tells an event from another that was once told under the same number.

    After a backup was restored the numbers begin again at an earlier place: a cursor of what was
    told since then names an event that has never been.
    """
    operation_id = data.get("operationId")
    if operation_id:
        # The random end of a UUIDv7.
        return str(operation_id)[-8:]
    return f"{crc32(orjson.dumps(data, option=orjson.OPT_SORT_KEYS)):08x}"
