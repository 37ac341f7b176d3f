"""How an operation ends: its row, its event, and the problem that explains a bad end."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol
from uuid import UUID

from workers.events import OperationUpdated, Progress

MAX_ATTEMPTS = 3
EndStatus = Literal["succeeded", "failed", "dead"]


class Accepted(Protocol):
    """What an end needs to know of its operation."""

    @property
    def id(self) -> UUID: ...
    @property
    def kind(self) -> str: ...
    @property
    def product_id(self) -> UUID | None: ...
    @property
    def order_id(self) -> UUID | None: ...
    @property
    def request_id(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Ending:
    """The one end of an operation."""

    status: EndStatus
    attempts: int
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    at: datetime

    def as_row(self, operation_id: UUID) -> dict[str, Any]:
        """What changes in the operation's row."""
        return {
            "id": operation_id,
            "status": self.status,
            "attempts": self.attempts,
            "result": self.result,
            "error": self.error,
            "finished_at": self.at,
        }

    def as_event(self, operation: Accepted, progress: Progress | None = None) -> OperationUpdated:
        """What its API key is told."""
        return OperationUpdated(
            operation_id=operation.id,
            kind=operation.kind,
            status=self.status,
            attempts=self.attempts,
            progress=progress,
            result=self.result,
            error=self.error,
            order_id=operation.order_id,
            product_id=operation.product_id,
            finished_at=self.at,
            request_id=operation.request_id,
        )


def problem_code(error: dict[str, Any] | None) -> str | None:
    """The name of the problem that explains a bad end."""
    return str(error["type"]).rpartition("/")[2] if error else None


def retry_delay(attempts: int) -> timedelta:
    """How long an operation is held back after so many attempts: 0.2 s, 0.8 s, 3.2 s."""
    return timedelta(seconds=0.2 * 4 ** (attempts - 1))


def dead_problem(reason: str) -> dict[str, Any]:
    """Why the machinery gave an operation up."""
    detail = f"The operation was given up after {MAX_ATTEMPTS} attempts: {reason[:500]}"
    return problem_of("operation-dead", detail, 500)


def problem_of(code: str, detail: str, status: int, /, **facts: Any) -> dict[str, Any]:
    """An operation's error in the form of RFC 9457.

    Args:
        code: the problem's name; its type is a page of the documents.
        detail: one sentence for a person.
        status: the HTTP status that a waiting client gets.
        facts: what a client needs to do better.
    """
    return {
        **facts,
        "type": f"/docs/problems/{code}",
        "title": code.replace("-", " ").capitalize(),
        "status": status,
        "detail": detail,
    }
