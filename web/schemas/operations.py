"""Operations on the wire."""

from typing import Any, Literal

from pydantic import Field

from db.models.operation import Operation
from web.schemas.base import Id, Out, PageQuery, Time
from workers.commands import COMMANDS

Status = Literal["queued", "succeeded", "failed", "dead"]
Kind = Literal[tuple(COMMANDS)]  # type: ignore[valid-type]


class Resource(Out):
    """What an operation is about."""

    type: Literal["product", "order"]
    id: Id


class Progress(Out):
    """How far an operation of many rows is."""

    done: int
    total: int


class OperationOut(Out):
    """An operation as it stands."""

    id: Id
    kind: str
    status: Status
    attempts: int
    progress: Progress | None
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    resource: Resource | None
    order_id: Id | None
    retry_of: Id | None
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
            progress=None,
            result=operation.result,
            error=operation.error,
            resource=resource,
            order_id=operation.order_id,
            retry_of=operation.retry_of,
            created_at=operation.created_at,
            finished_at=operation.finished_at,
            request_id=operation.request_id,
        )


class OperationsQuery(PageQuery):
    """Which operations."""

    status: Status | None = None
    kind: Kind | None = Field(default=None)


class OperationPage(Out):
    """Operations, newest first."""

    items: list[OperationOut]
    next_cursor: str | None
