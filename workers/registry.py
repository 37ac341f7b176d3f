"""Which handler serves which command; the runner knows only this."""

from collections.abc import Callable
from typing import Any, TypeVar

from workers.book import Turn
from workers.commands import Command

Result = dict[str, Any]
Handler = Callable[[Any, Turn], Result]
Farewell = Callable[[Any, Turn, dict[str, Any]], None]
H = TypeVar("H", bound=Callable[..., Any])

HANDLERS: dict[type[Command], Handler] = {}
FAREWELLS: dict[type[Command], Farewell] = {}


def handles(command: type[Command]) -> Callable[[H], H]:
    """Register a function ``(command, turn) -> result`` as the one handler of a command.

    The handler reads and changes the turn's copies; what it returns is the operation's
    ``result``. A `db.errors.Refusal` is a rule's no; any other exception is a bug. Either way
    nothing that it did to the turn remains.
    """

    def register(handler: H) -> H:
        if command in HANDLERS:
            raise ValueError(f"{command.__name__} has a handler already")
        HANDLERS[command] = handler
        return handler

    return register


def on_failure_of(command: type[Command]) -> Callable[[H], H]:
    """Register a function ``(command, turn, problem)`` for what a refused or dead one leaves."""

    def register(farewell: H) -> H:
        FAREWELLS[command] = farewell
        return farewell

    return register
