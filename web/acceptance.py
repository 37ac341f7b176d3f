"""Acceptance: requests that wait at the same moment share one insert and one commit."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from db.errors import is_away, is_outcome_unknown
from db.models.operation import Operation
from db.queries import acceptance, idempotency, operations, products
from db.queries.acceptance import NewOperation
from db.queries.orders import NewOrder
from db.session import Database
from web.errors import Problem, outcome_unknown
from web.idempotency import reused
from web.together import Together
from workers.crash import may_crash
from workers.settings import worker_settings

# As many as wait, up to this; what one statement carries has its limit.
_MOST = 200

# Names and prices by product.
Prices = Mapping[UUID, Any]


@dataclass(frozen=True, slots=True)
class Submission:
    """What one request wants to have accepted.

    Args:
        operation: what is to be written.
        unknown: the answer if what it names is not there, unless it names nothing.
        products: whose names and prices it needs.
        order: makes the order that is written with it, out of the prices of that moment; the
            problem that it raises is the answer.
    """

    operation: NewOperation
    unknown: Problem | None = None
    products: frozenset[UUID] = frozenset()
    order: Callable[[Prices], NewOrder] | None = None

    @property
    def claim(self) -> tuple[UUID, str] | None:
        """Whose idempotency key it carries, and which."""
        operation = self.operation
        if operation.key is None or operation.api_key_id is None:
            return None
        return operation.api_key_id, operation.key


class Accepted(NamedTuple):
    """An operation that is durable, and whether an earlier request had made it."""

    operation: Operation
    replayed: bool


class Acceptance:
    """One process' way to make operations durable.

    Args:
        database: where they are kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        # Two with the same idempotency key: the second one finds what the first has led to.
        self._together: Together[Submission, Accepted] = Together(
            self._accept, most=_MOST, same=lambda submission: submission.claim
        )

    def accept(self, submission: Submission) -> Accepted:
        """Make an operation durable, or find the one that its idempotency key stands for.

        Raises:
            Problem: it cannot be accepted; nothing was written.
            sqlalchemy.exc.SQLAlchemyError: the database is away, or refused it.
        """
        return self._together.ask(submission)

    def _accept(self, submissions: Sequence[Submission]) -> Sequence[Accepted | Exception]:
        try:
            return self._commit(submissions)
        except SQLAlchemyError as error:
            if is_away(error):
                raise
            if len(submissions) == 1:
                return [error]
        # One of them it was: each by itself, so that nobody gets another's error.
        return [self._accept_alone(one) for one in submissions]

    def _accept_alone(self, submission: Submission) -> Accepted | Exception:
        try:
            return self._commit([submission])[0]
        except (SQLAlchemyError, Problem) as error:
            return error

    def _commit(self, submissions: Sequence[Submission]) -> Sequence[Accepted | Exception]:
        with self._database.statement() as connection:
            answers = _write(connection, submissions)
        may_crash("accepted")
        return answers


def _write(
    connection: Connection, submissions: Sequence[Submission]
) -> Sequence[Accepted | Exception]:
    problems, orders = _draft(connection, submissions)
    asked = [one.operation for one in submissions if one.operation.id not in problems]
    try:
        made = acceptance.accept(connection, asked, orders, ttl=worker_settings().idempotency_ttl)
    except SQLAlchemyError as error:
        if is_outcome_unknown(error):
            raise outcome_unknown(error) from error
        raise
    rest = [one for one in submissions if one.operation.id not in made]
    try:
        remembered = _find(connection, rest) if rest else {}
    except SQLAlchemyError as error:
        # Theirs alone: what was made is durable, whatever becomes of this question.
        remembered = {one.operation.id: error for one in rest if one.claim is not None}

    def answer(one: Submission) -> Accepted | Exception:
        new = one.operation.id
        if new in made:
            return Accepted(made[new], replayed=False)
        return remembered.get(new) or problems.get(new) or one.unknown or LookupError(new)

    return [answer(one) for one in submissions]


def _draft(
    connection: Connection, submissions: Sequence[Submission]
) -> tuple[dict[UUID, Problem], list[NewOrder]]:
    """The orders, and by their operations the problems of those that cannot be."""
    problems: dict[UUID, Problem] = {}
    orders: list[NewOrder] = []
    wanted = frozenset[UUID]().union(*(one.products for one in submissions))
    known = products.prices(connection, wanted) if wanted else {}
    for one in submissions:
        if one.order is not None:
            try:
                orders.append(one.order(known))
            except Problem as problem:
                problems[one.operation.id] = problem
    return problems, orders


def _find(
    connection: Connection, submissions: Sequence[Submission]
) -> dict[UUID, Accepted | Exception]:
    """What an earlier request with the same idempotency key has led to."""
    claims = {one.claim: one.operation for one in submissions if one.claim is not None}
    if not claims:
        return {}
    found = idempotency.of_operations(connection, list(claims))
    ids = [kept.operation_id for kept in found.values() if kept.operation_id is not None]
    known = {one.id: one for one in operations.find_all(connection, ids)}
    answers: dict[UUID, Accepted | Exception] = {}
    for claim, kept in found.items():
        mine = claims[claim]
        operation = known.get(kept.operation_id) if kept.operation_id is not None else None
        if kept.fingerprint.hex() == mine.fingerprint and operation is not None:
            answers[mine.id] = Accepted(operation, replayed=True)
        else:
            answers[mine.id] = reused()
    return answers
