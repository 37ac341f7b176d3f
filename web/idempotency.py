"""Idempotency keys at the door: same key and same request, same answer, done once."""

import hashlib
import re
from collections.abc import Callable
from typing import Any

from flask import Response, request
from flask.globals import request_ctx
from sqlalchemy import Connection

from db.queries import idempotency
from web.auth import current_key
from web.errors import Invalid, Problem
from web.services import services
from workers.settings import worker_settings

HEADER = "Idempotency-Key"
_FORM = re.compile(r"[\x21-\x7e]{1,255}")


class Claim:
    """This request's claim to its idempotency key, if it carries one."""

    def __init__(self) -> None:
        self.key = request.headers.get(HEADER)
        if self.key is not None and not _FORM.fullmatch(self.key):
            raise Invalid((HEADER, "must be 1 to 255 visible ASCII characters"))
        self._fingerprint: bytes | None = None

    def stands_for(self, fingerprint: bytes) -> None:
        """Say what tells this request from others, if its body was read elsewhere."""
        self._fingerprint = fingerprint

    @property
    def fingerprint(self) -> str | None:
        """What tells this request from others with the same key, in hexadecimal digits."""
        return None if self.key is None else self._print.hex()

    def take(self, connection: Connection) -> idempotency.Remembered | None:
        """Take the key; what an earlier request led to, or None.

        Raises:
            Problem: 422, the key was used with another request.
        """
        if self.key is None:
            return None
        place = self._place(self.key)
        return self._mine(idempotency.take(connection, **place, fingerprint=self._print))

    def wait(self, connection: Connection) -> idempotency.Remembered | None:
        """Wait for those with the same key, before what takes long; what they led to, or None.

        Raises:
            Problem: 422, the key was used with another request.
        """
        if self.key is None:
            return None
        return self._mine(idempotency.wait(connection, **self._place(self.key)))

    def _place(self, key: str) -> dict[str, Any]:
        ttl = worker_settings().idempotency_ttl
        return {"api_key_id": current_key().id, "key": key, "ttl": ttl}

    @property
    def _print(self) -> bytes:
        return self._fingerprint or _fingerprint()

    def _mine(self, found: idempotency.Remembered | None) -> idempotency.Remembered | None:
        if found is not None and found.fingerprint != self._print:
            raise reused()
        return found


def reused() -> Problem:
    """The key stands for another request."""
    detail = f"This {HEADER} was used with another request."
    return Problem(422, "idempotency-key-reused", detail)


def answer_once(make: Callable[[Connection], Response]) -> tuple[Response, bool]:
    """Do something in one transaction and remember its answer, or give the remembered one.

    Args:
        make: does it and builds the answer; what it raises leaves nothing, the key included.

    Returns:
        The answer, and whether it was made just now.
    """
    claim = Claim()
    with services().database.transaction() as connection:
        found = claim.take(connection)
        if found is not None:
            response = Response(found.body, found.status, headers=found.headers)
            response.headers["Idempotent-Replayed"] = "true"
            return response, False
        response = make(connection)
        if claim.key is not None:
            kept = ("Content-Type", "ETag", "Location")
            idempotency.remember_answer(
                connection,
                api_key_id=current_key().id,
                key=claim.key,
                status=response.status_code,
                headers={name: response.headers[name] for name in kept if name in response.headers},
                body=response.get_data(),
            )
    return response, True


def _fingerprint() -> bytes:
    digest = hashlib.sha256()
    asked = request_ctx.request
    for part in (
        asked.method.encode(),
        asked.path.encode("utf-8", "surrogatepass"),
        asked.query_string,
        asked.get_data(),
    ):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()
