"""The wire's own types: identifiers, text, whole numbers, money, time; camelCase throughout."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

import orjson
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel

# NUL cannot be stored in PostgreSQL's text.
_NO_NUL = r"^[^\x00]*$"
# RFC 3339, section 5.6; `datetime` alone would take weeks, dates alone and missing colons too.
_RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})?"
)
_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
# Cursors are base64 in the alphabet of addresses (RFC 4648, section 5).
CURSOR = r"^[A-Za-z0-9_-]+$"


class Body(BaseModel):
    """A request's body or query: nothing unknown, nothing guessed."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, frozen=True)


class Out(BaseModel):
    """A response's body."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, from_attributes=True, frozen=True
    )


def _whole(value: Any) -> Any:
    """JSON has one kind of number: 5.0 is 5. Anything else that is no integer is refused."""
    if isinstance(value, bool):
        raise ValueError("must be an integer")
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError("must be a finite integer")
        if value.adjusted() > 18:
            raise ValueError("is out of range")
        if value != value.to_integral_value():
            raise ValueError("must be an integer")
        return int(value)
    if not isinstance(value, int):
        raise ValueError("must be an integer")
    return value


def _money(value: Any) -> Decimal:
    """A JSON number, parsed as a decimal, with at most two decimals."""
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise ValueError("must be a number")
    amount = Decimal(value)
    if not amount.is_finite():
        raise ValueError("must be a finite number")
    if amount.adjusted() >= 12:
        raise ValueError("is out of range")
    rounded = amount.quantize(Decimal("0.01"))
    if rounded != amount:
        raise ValueError("must have at most 2 decimals")
    return rounded


def _identifier(value: Any) -> UUID:
    if isinstance(value, UUID):
        return value
    # The canonical form only: UUID() would take braces, prefixes and missing hyphens too.
    if not isinstance(value, str) or not _UUID.fullmatch(value):
        raise ValueError("must be a UUID")
    return UUID(value)


def _digits(value: Any) -> Any:
    """A whole number in a query string: digits only, no sign, blank or other script."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 18:
        return int(value)
    if isinstance(value, int):
        return value
    raise ValueError("must be a whole number")


def _flag(value: Any) -> bool:
    """A yes or no in a query string."""
    if value in ("true", "false", True, False):
        return value in ("true", True)
    raise ValueError("must be true or false")


def _moment(value: Any) -> datetime:
    """RFC 3339 with an offset; a plus sign that became a blank on the way is taken for one."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        raise ValueError("must be a time such as 2026-11-23T08:15:30Z")
    # Only the plus sign of the offset can have become a blank; the other one stands for the T.
    text = value[:11] + value[11:].replace(" ", "+")
    if not _RFC_3339.fullmatch(text):
        raise ValueError("must be a time such as 2026-11-23T08:15:30Z")
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError:
        raise ValueError("must be a time such as 2026-11-23T08:15:30Z") from None
    if moment.tzinfo is None:
        raise ValueError("must have an offset, such as Z or +01:00")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is out of range") from None


def rfc3339(moment: datetime) -> str:
    """UTC with microseconds, such as ``2026-11-23T08:15:30.123456Z``."""
    moment = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return moment.isoformat(timespec="microseconds")[: -len("+00:00")] + "Z"


def whole_type(least: int, most: int) -> Any:
    """A whole number of a JSON body, both bounds included."""
    return Annotated[int, Field(ge=least, le=most), BeforeValidator(_whole)]


QueryFlag = Annotated[bool, BeforeValidator(_flag), WithJsonSchema({"type": "boolean"})]
QueryTime = Annotated[
    datetime,
    BeforeValidator(_moment),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Id = Annotated[
    UUID,
    BeforeValidator(_identifier),
    WithJsonSchema({"type": "string", "format": "uuid"}),
]
Money = Annotated[
    Decimal,
    BeforeValidator(_money),
    Field(ge=0, lt=10**12),
    WithJsonSchema({"type": "number", "minimum": 0, "exclusiveMaximum": 1e12, "multipleOf": 0.01}),
]
# A decimal; `answer` writes it digit for digit.
NumberOut = Annotated[Decimal, WithJsonSchema({"type": "number"})]
MoneyOut = NumberOut
Time = Annotated[
    datetime,
    PlainSerializer(rfc3339, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


def text_type(longest: int, shortest: int = 0) -> Any:
    """Text of a bounded length, in characters, without NUL."""
    return Annotated[
        str,
        StringConstraints(strict=True, min_length=shortest, max_length=longest, pattern=_NO_NUL),
    ]


ShortText = text_type(200, 1)
LONGEST_TEXT = 20_000
LongText = text_type(LONGEST_TEXT)

Item = TypeVar("Item")


class Page(Out, Generic[Item]):
    """One page of a list."""

    items: list[Item]
    next_cursor: str | None


class PageQuery(Body):
    """Which page of a list."""

    limit: Annotated[
        int, Field(ge=1, le=100, description="How many at most"), BeforeValidator(_digits)
    ] = 50
    cursor: str | None = Field(
        default=None,
        max_length=500,
        pattern=CURSOR,
        description="`nextCursor` of the page before",
    )


def answer(value: BaseModel, *, exclude_unset: bool = False, has_parts: bool = False) -> bytes:
    """A model as it goes over the wire: decimals as they are, never by way of a binary float.

    Args:
        value: the model.
        exclude_unset: leave out what was not set.
        has_parts: some of its values are JSON already (`part`), which the model knows nothing of.
    """
    found = value.model_dump(by_alias=True, exclude_unset=exclude_unset, warnings=not has_parts)
    return wire_json(found)


def part(value: Any) -> Any:
    """What stands for a large value of a model: JSON already, and not walked through twice."""
    return orjson.Fragment(wire_json(value))


def wire_json(value: Any) -> bytes:
    """JSON as every client reads it, over REST and over sockets: times and decimals alike."""
    return orjson.dumps(value, default=_on_the_wire, option=orjson.OPT_PASSTHROUGH_DATETIME)


def _on_the_wire(value: Any) -> Any:
    if isinstance(value, Decimal):
        return orjson.Fragment(format(value, "f"))
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(type(value))
