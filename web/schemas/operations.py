"""Operations on the wire."""

from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema

from db.models.operation import Operation
from web.schemas.base import Body, Id, Out, PageQuery, Time
from workers.commands import COMMANDS

Status = Literal["queued", "succeeded", "failed", "dead"]
Kind = Literal[tuple(COMMANDS)]  # type: ignore[valid-type]


Failure = Annotated[
    dict[str, Any],
    WithJsonSchema(
        {
            "type": "object",
            "description": "The problem that explains a bad end.",
            "required": ["type", "title", "status", "detail"],
            "properties": {
                "type": {"type": "string", "format": "uri-reference"},
                "title": {"type": "string"},
                "status": {"type": "integer"},
                "detail": {"type": "string"},
            },
        }
    ),
]


class Resource(Out):
    """What an operation is about."""

    type: Literal["product", "order"]
    id: Id


class Progress(Out):
    """How far an operation of many rows is; null for one of a single row."""

    done: int
    total: int


class OperationOut(Out):
    """An operation as it stands."""

    id: Id
    kind: str
    status: Status = Field(
        description="`failed`: a rule said no; `dead`: the service gave it up; `error` says why"
    )
    attempts: int = Field(description="How often it was tried, the one included that ended it")
    progress: Progress | None
    result: dict[str, Any] | None = Field(description="What came of it; its shape is the kind's")
    error: Failure | None
    resource: Resource | None
    order_id: Id | None = Field(description="Of an operation on an order")
    retry_of: Id | None = Field(description="The dead operation that this one tries again")
    created_at: Time
    finished_at: Time | None
    request_id: str | None

    @classmethod
    def of(cls, operation: Operation) -> "OperationOut":
        """What clients see of an operation."""
        resource = None
        if operation.order_id is not None:
            resource = Resource(type="order", id=operation.order_id)
        elif operation.product_id is not None:
            resource = Resource(type="product", id=operation.product_id)
        return cls(
            id=operation.id,
            kind=operation.kind,
            status=operation.status,  # type: ignore[arg-type]
            attempts=operation.attempts,
            progress=Progress(**operation.progress) if operation.progress else None,
            result=operation.result,
            error=operation.error,
            resource=resource,
            order_id=operation.order_id,
            retry_of=operation.retry_of,
            created_at=operation.created_at,
            finished_at=operation.finished_at,
            request_id=operation.request_id,
        )


class OperationListed(OperationOut):
    """An operation as it stands, whether it was tried again, and what it is about by name."""

    retried_by: Id | None = Field(
        description="The operation that tries this one, or its refused rows, again"
    )
    product_name: str | None = Field(description="Of an operation on one product: its name now")


class OperationDetail(OperationListed):
    """An operation as it stands, with what was asked for."""

    payload: dict[str, Any] = Field(description="What was asked for; its shape is the kind's")


class OperationsQuery(PageQuery):
    """Which operations."""

    status: Status | None = None
    kind: Kind | None = Field(default=None)


class OperationPage(Out):
    """Operations, newest first."""

    items: list[OperationListed]
    next_cursor: str | None


class RetryIn(Body):
    """Which dead operations to try again."""

    kind: Kind


class LeftOut(Out):
    """A dead operation that cannot be tried again."""

    id: Id
    detail: str


class RetriedOut(Out):
    """The new operations, one for each dead one."""

    items: list[OperationOut]
    left_out: list[LeftOut] = Field(
        description="Those that cannot be tried again, such as one that cannot be read any more."
    )
