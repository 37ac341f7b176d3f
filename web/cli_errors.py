"""The command line's failures: one line for people, one number for scripts."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# What a script finds in `$?`; `pms --help` tells the same.
DONE, FAILED, USAGE, REFUSED, UNKNOWN, KEY, QUEUED = range(7)
# Where a run keeps that JSON was asked for.
AS_JSON = "web.cli.json"


class CommandError(Exception):
    """A command that could not do what it was asked.

    Args:
        message: one line: what is wrong, and what helps.
        code: the exit code.
        problem: the service's own words, if there are any, as RFC 9457 has them.
    """

    def __init__(
        self, message: str, code: int = FAILED, problem: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.problem = problem or {}

    @property
    def name(self) -> str:
        """The problem's name in kebab case, such as ``insufficient-stock``; else nothing."""
        return str(self.problem.get("type", "")).rpartition("/")[2]


class AwayError(CommandError):
    """The service does not answer, or not now."""


class LostError(AwayError):
    """What was sent may have been done: it was on its way, and its answer did not come."""


@contextmanager
def told_once(key: str) -> Iterator[None]:
    """Have whoever does not learn whether a change was made told how to ask, and do it once.

    To run the same command again would be another change, with another key.

    Args:
        key: the idempotency key that the change is sent with.

    Raises:
        CommandError: the answer got lost, or was not waited for.
    """
    try:
        yield
    except (LostError, KeyboardInterrupt) as reason:
        why = str(reason).rstrip(".") or "interrupted"
        told = reason.problem if isinstance(reason, LostError) else {}
        title = "Not known whether it was done"
        raise CommandError(
            f"{why}; it is not known whether this was done: the same command with "
            f"`--once {shlex.quote(key)}` tells, and does it once",
            QUEUED,
            {**told, "title": title, "idempotencyKey": key},
        ) from None
