"""API keys on the wire; a secret goes out once and never comes in."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, WithJsonSchema

from db.models.api_key import SCOPES
from web.schemas.base import Body, Out, QueryTime, ShortText, Time, text_type
from web.settings import check_rate

Scope = Literal[SCOPES]  # type: ignore[valid-type]


def _to_come(moment: datetime) -> datetime:
    if moment <= datetime.now(UTC):
        raise ValueError("must be in the future")
    return moment


def _once_each(scopes: list[str]) -> list[str]:
    if len(set(scopes)) < len(scopes):
        raise ValueError("must not repeat")
    return scopes


Rate = Annotated[
    text_type(50, 1),
    AfterValidator(check_rate),
    WithJsonSchema(
        {"type": "string", "pattern": "^[1-9][0-9]{0,8}/(second|minute|hour|day)$"},
    ),
]


class KeyIn(Body):
    """A key to be made."""

    name: ShortText
    scopes: Annotated[list[Scope], AfterValidator(_once_each)] = Field(
        min_length=1,
        max_length=len(SCOPES),
        json_schema_extra={"uniqueItems": True},
        description="`write` includes `read`, `admin` includes everything",
    )
    rate: Rate | None = Field(
        default=None, description="Requests, such as `100/minute`; else the installation's rate"
    )
    ws_rate: Rate | None = Field(
        default=None, description="Socket messages, such as `1000/minute`; else as installed"
    )
    expires_at: Annotated[QueryTime, AfterValidator(_to_come)] | None = Field(
        default=None, description="When it ends by itself"
    )


class KeyOut(Out):
    """A key without its secret."""

    id: UUID
    name: str
    hint: str = Field(description="How the secret begins")
    scopes: list[Scope]
    rate: str | None
    ws_rate: str | None
    created_at: Time
    expires_at: Time | None
    revoked_at: Time | None


class KeyWithSecret(KeyOut):
    """A key with its secret, which is told this once."""

    secret: str | None = Field(
        description="What goes into `X-API-Key`; null when the answer is a replay"
    )


class KeyPage(Out):
    """Keys, newest first, revoked ones included."""

    items: list[KeyOut]
    next_cursor: str | None


# What rotating answers beyond what is true of all routes.
ROTATED: dict[int | str, Any] = {
    409: {
        "description": "The key is revoked",
        "content": {
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
        },
    }
}
