"""Uploads: a large body, taken in whole before anything is done with it, and kept on disk."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO

from flask import request

from web.errors import Problem

_PIECE = 65_536


@dataclass(frozen=True, slots=True)
class Upload:
    """A body that has come whole.

    Attributes:
        file: holds it, at its beginning.
        fingerprint: of the request with this body, for its idempotency key.
        is_csv: whether it is CSV, else JSON.
    """

    file: IO[bytes]
    fingerprint: bytes
    is_csv: bool


@contextmanager
def received(most: int) -> Iterator[Upload]:
    """The body of this request; what breaks off on its way leaves nothing.

    Args:
        most: bytes that it may have.

    Raises:
        Problem: 415, it is neither JSON nor CSV.
        werkzeug.exceptions.RequestEntityTooLarge: it has more.
    """
    is_csv = _is_csv()
    request.max_content_length = most
    digest = hashlib.sha256()
    for part in (request.method, request.path, request.query_string.decode("latin-1")):
        digest.update(f"{len(part)}:{part}".encode("utf-8", "surrogatepass"))
    with TemporaryFile() as file:
        while piece := request.stream.read(_PIECE):
            digest.update(piece)
            file.write(piece)
        file.seek(0)
        yield Upload(file, digest.digest(), is_csv)


def _is_csv() -> bool:
    if request.headers.get("Content-Encoding", "identity") != "identity":
        # A small body that unpacks to a large one would be past its limit before it is seen.
        raise Problem(415, "unsupported-media-type", "The body must be sent without an encoding.")
    if request.is_json:
        return False
    if request.mimetype != "text/csv":
        detail = "The body must be sent as application/json or text/csv."
        raise Problem(415, "unsupported-media-type", detail)
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if charset not in ("utf-8", "utf8", "us-ascii"):
        raise Problem(415, "unsupported-media-type", "CSV must be sent in UTF-8.")
    return True
