"""Answers in JSON, the common ones."""

from collections.abc import Iterable
from typing import Any

from flask import Response
from pydantic import BaseModel

from web.schemas.base import answer


class JsonResponse(Response):
    """A body that is JSON already, with headers that go out as they are.

    Args:
        body: what is sent.
        status: of HTTP; not one that comes without a body.
        headers: besides type and length.
    """

    default_mimetype = "application/json"

    def __init__(
        self, body: bytes, status: int = 200, headers: Iterable[tuple[str, str]] = ()
    ) -> None:
        kind = ("Content-Type", "application/json")
        super().__init__(body, status, headers=[kind, *headers])

    def get_wsgi_headers(self, environ: Any) -> Any:
        """As they are: the framework would look for addresses in them to be escaped."""
        return self.headers


def json_response(
    model: BaseModel, status: int = 200, headers: Iterable[tuple[str, str]] = ()
) -> Response:
    """A model as it goes over the wire."""
    return JsonResponse(answer(model), status, headers)
