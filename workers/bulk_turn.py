"""One turn of a bulk: its rows decided over what was read once, and what comes of it told."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from traceback import clear_frames
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Connection

from db.errors import Refusal
from db.models.bulk import MOST_ATOMIC_ROWS, Bulk, BulkRow
from db.models.operation import Waiting
from db.models.stream import SYSTEM, operations_stream
from db.queries import bulks
from db.queries.bulks import Verdicts
from workers.book import Book, Turn
from workers.commands import AdjustMany, AdjustStock
from workers.ends import Ending, EndStatus, dead_problem, problem_of
from workers.events import OperationUpdated, Progress
from workers.operators import dead_alert
from workers.registry import HANDLERS

log = structlog.get_logger(__name__)

# More rows of one bulk than this are not given up one by one.
_MOST_GIVEN_UP = 10
# Refused rows in the result itself; the rest is a list of its own.
_SHOWN = 20
_SECONDS_BETWEEN_TELLING = 0.3


@dataclass(slots=True)
class BulkTurn:
    """One transaction's worth of a bulk.

    Attributes:
        operation: the bulk's.
        command: what it asks.
        bulk: how far it is.
        book: what its rows read, and what came of them.
        verdicts: of the rows of this turn.
        passed: what a dry run of many turns would have changed so far, by product.
    """

    operation: Waiting
    command: AdjustMany
    bulk: Bulk
    book: Book
    verdicts: Verdicts = field(default_factory=lambda: Verdicts([], {}))
    passed: dict[UUID, int] | None = None

    @property
    def taken(self) -> Sequence[Waiting]:
        """The operations that this is about."""
        return [self.operation]

    @property
    def count(self) -> int:
        """How many rows got their verdict, and its end if that was it."""
        return self.verdicts.rows + len(self.book.outcome.ends)

    def go_on_from(self, passed: dict[UUID, int]) -> None:
        """Have the rows of a dry run meet what those of the turns before would have left."""
        self.passed = passed
        for product_id in passed.keys() & self.book.levels.keys():
            level = self.book.levels[product_id]
            level.on_hand = max(level.on_hand + passed[product_id], level.reserved)

    def decide(self, rows: Sequence[BulkRow]) -> None:
        """Give each row its verdict."""
        if self.command.atomic:
            self._decide_together(rows)
        else:
            for row in rows:
                self._decide_alone(row)
        self.bulk.done += self.verdicts.rows
        self.bulk.refused += len(self.verdicts.refused)

    def _decide_alone(self, row: BulkRow) -> None:
        turn = Turn(self.book, self.operation)
        try:
            HANDLERS[AdjustStock](_command_of(row), turn)
        except Refusal as refusal:
            self._refuse(row, refusal)
            return
        except Exception as bug:
            clear_frames(bug.__traceback__)
            self.bulk.given_up += 1
            if self.bulk.given_up <= _MOST_GIVEN_UP:
                log.exception("bulk_row_raised", operation_id=str(self.operation.id), row=row.row)
            self.verdicts.refused[row.row] = _given_up(repr(bug))
            return
        if self.passed is not None:
            # The next row of this product meets what this one would have left.
            self.book.levels[row.product_id] = turn.stock(row.product_id)
            self.passed[row.product_id] = self.passed.get(row.product_id, 0) + row.change
        else:
            turn.keep()
        self.verdicts.applied.append(row.row)

    def _decide_together(self, rows: Sequence[BulkRow]) -> None:
        turn = Turn(self.book, self.operation)
        for row in rows:
            try:
                HANDLERS[AdjustStock](_command_of(row), turn)
            except Refusal as refusal:
                self._refuse(row, refusal)
        if not self.verdicts.refused:
            self.verdicts.applied = [row.row for row in rows]
            if not self.command.dry_run:
                turn.keep()

    def _refuse(self, row: BulkRow, refusal: Refusal) -> None:
        problem = problem_of(refusal.code, refusal.detail, 409, **refusal.facts)
        self.verdicts.refused[row.row] = problem

    def keep(self, connection: Connection) -> None:
        """Keep the verdicts, and the bulk's end if this was its last turn."""
        bulk, now = self.bulk, self.book.now
        all_or_nothing = self.command.atomic and bool(self.verdicts.refused)
        if all_or_nothing:
            # Those that could have been applied are without a verdict for ever.
            bulk.done = bulk.refused = len(self.verdicts.refused)
        if all_or_nothing or bulk.done == bulk.total:
            bulks.settle(connection, bulk, self.verdicts, dry_run=self.command.dry_run)
            self._end(connection)
        else:
            if bulks.due_for_telling(bulk, now, _SECONDS_BETWEEN_TELLING):
                bulk.told_at = now
                self._tell_progress()
            bulks.settle(connection, bulk, self.verdicts, dry_run=self.command.dry_run)

    def _end(self, connection: Connection) -> None:
        bulk = self.bulk
        if self.command.dry_run:
            bulks.forget_passed(connection, bulk.id)
        refused = [
            {
                "row": one.row,
                "productId": str(one.product_id),
                "sku": one.sku,
                "quantity": one.quantity,
                "type": one.type,
                "problem": one.problem,
            }
            for one in bulks.refused(
                connection,
                bulk.id,
                after=-1,
                limit=MOST_ATOMIC_ROWS if self.command.atomic else _SHOWN,
            )
        ]
        if self.command.atomic and refused:
            count = f"{len(refused):,} of {bulk.total:,} rows"
            detail = f"{count} {'was' if len(refused) == 1 else 'were'} refused; none was applied."
            self._close("failed", error=problem_of("bulk-refused", detail, 409, refused=refused))
            return
        result: dict[str, Any] = {
            "total": bulk.total,
            "applied": bulk.total - bulk.refused,
            "refused": bulk.refused,
            "refusedRows": refused,
        }
        if self.command.dry_run:
            result["dryRun"] = True
        self._close("succeeded", result=result)

    def give_up_row(self, connection: Connection, row: BulkRow, reason: str) -> None:
        """Refuse a row that fails whatever is tried; too many of them, and it is not the rows."""
        self.bulk.given_up += 1
        if self.bulk.given_up > _MOST_GIVEN_UP:
            self.give_up(connection, reason)
            return
        self.verdicts.refused[row.row] = _given_up(reason)
        self.bulk.done += 1
        self.bulk.refused += 1
        self.keep(connection)

    def give_up(self, connection: Connection, reason: str) -> None:
        """Refuse all that waits, and end as dead: what was applied before stays so."""
        bulks.refuse_all(connection, self.bulk, _given_up(reason))
        problem = dead_problem(reason)
        self._close("dead", error=problem)
        alert = dead_alert(self.operation.id, self.operation.kind)
        self.book.append_next(SYSTEM, alert)
        self.book.outcome.dead.append((self.operation.id, alert.message))

    def _close(
        self,
        status: EndStatus,
        *,
        result: dict[str, Any] | None = None,
        error: dict[str, Any] | None = None,
    ) -> None:
        end = Ending(status, self.operation.attempts + 1, result, error, self.book.now)
        self.book.outcome.ends.append(end.as_row(self.operation.id))
        told = replace(end, result=_brief(result), error=_brief(error))
        self._tell(told.as_event(self.operation, self._progress()))

    def _progress(self) -> Progress:
        return Progress(done=self.bulk.done, total=self.bulk.total)

    def _tell_progress(self) -> None:
        self._tell(
            OperationUpdated(
                operation_id=self.operation.id,
                kind=self.operation.kind,
                status="queued",
                attempts=self.operation.attempts,
                progress=self._progress(),
                request_id=self.operation.request_id,
            )
        )

    def _tell(self, event: OperationUpdated) -> None:
        if self.operation.api_key_id is not None:
            self.book.append_next(operations_stream(self.operation.api_key_id), event)


def _brief(document: dict[str, Any] | None) -> dict[str, Any] | None:
    """For an event, without the rows, which may be many and can be read."""
    if document is None:
        return None
    return {name: value for name, value in document.items() if not isinstance(value, list)}


def _given_up(reason: str) -> dict[str, Any]:
    return problem_of("processing-failed", f"The row could not be applied: {reason[:500]}", 500)


def _command_of(row: BulkRow) -> AdjustStock:
    return AdjustStock(
        product_id=row.product_id,
        quantity=abs(row.change),
        type="increment" if row.change > 0 else "decrement",
        reason=row.reason,
        reference=row.reference,
    )
