"""The command line's failures: one line for people, one number for scripts."""

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
