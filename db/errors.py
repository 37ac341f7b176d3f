"""What went wrong, in the three kinds that matter: a rule's no, a passing fault, or a bug."""

from typing import Any

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout


class Refusal(Exception):  # noqa: N818 - a refusal is an answer, not an error
    """A rule said no: final, never retried.

    Args:
        code: the problem's name in kebab case, such as ``insufficient-stock``.
        detail: one sentence for a person.
        facts: what a client needs to do better, such as ``available``.
    """

    def __init__(self, code: str, detail: str, /, **facts: Any) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.facts = facts


# The database may only be read.
READ_ONLY = "25006"
# Classes of SQLSTATE that pass by themselves: connection, transaction rollback,
# insufficient resources, lock or statement timeout, shutdown.
# Source: PostgreSQL documentation, appendix "PostgreSQL Error Codes".
_PASSING_CLASSES = frozenset({"08", "40", "53", "57"})
# One that may only be read will be written again, or another one will: its disk is full, or the
# address leads to a standby for a while.
_PASSING_CODES = frozenset({"55P03", "25P03", "25P04", READ_ONLY})
# A statement's time-out, which an operator's wish to end it looks like, and that of a session that
# stands still in a transaction.
_OVERDUE_CODES = frozenset({"57014", "25P03"})
# What tells that the answer got lost, and not that nothing was done.
_CRASHED = "57P02"
_LOST_CLASS = "08"
# A table or a column that is not there yet: the code has been started before the migration.
_UNMIGRATED_CODES = frozenset({"42P01", "42703"})


def _code_of(error: BaseException) -> str | None:
    """The SQLSTATE that the server told, if it told any."""
    return getattr(getattr(error, "orig", None), "pgcode", None)


def is_passing(error: BaseException) -> bool:
    """Whether the same statement may succeed later without any change of ours."""
    if isinstance(error, PoolTimeout):
        return True
    if not isinstance(error, DBAPIError):
        return False
    code = _code_of(error)
    if code is not None:
        return code[:2] in _PASSING_CLASSES or code in _PASSING_CODES | _UNMIGRATED_CODES
    return error.connection_invalidated or isinstance(error, (OperationalError, InterfaceError))


def is_overdue(error: BaseException) -> bool:
    """Whether the server ended it because it took too long, as it may take each time."""
    return _code_of(error) in _OVERDUE_CODES


def has_code(error: BaseException) -> bool:
    """Whether the server has told why; a connection that was just lost tells nothing."""
    return _code_of(error) is not None


def is_outcome_unknown(error: BaseException) -> bool:
    """Whether a statement that writes may have been done all the same, as its answer got lost.

    A server that crashes says so (57P02) to whomever it had not answered yet, also after a commit.
    """
    if not isinstance(error, DBAPIError):
        return False
    code = _code_of(error)
    # Of class 08 are the words of who stands between, when it has lost the server.
    if code is not None and code != _CRASHED and not code.startswith(_LOST_CLASS):
        return False
    # Without a statement, and with no connection that was lost, there has been none.
    return is_passing(error) and (error.statement is not None or error.connection_invalidated)


def is_commit_lost(error: BaseException) -> bool:
    """Whether it was a commit whose answer got lost; before it nothing of a transaction is done."""
    return is_outcome_unknown(error) and getattr(error, "statement", None) is None


def is_away(error: BaseException) -> bool:
    """Whether it was the database or the way to it, and not what was asked of it."""
    if not is_passing(error):
        return False
    code = _code_of(error)
    # Class 40 is about the other transactions of that moment, and so about what was asked.
    return code is None or code[:2] != "40"


def is_unmigrated(error: BaseException) -> bool:
    """Whether `pms migrate` would help."""
    return _code_of(error) in _UNMIGRATED_CODES


def broken_constraint(error: BaseException) -> str | None:
    """The name of the constraint that a statement broke, if it broke one."""
    diagnosis = getattr(getattr(error, "orig", None), "diag", None)
    return getattr(diagnosis, "constraint_name", None)
