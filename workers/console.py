"""What the operator reads while everything runs: lines that say who wrote them."""

import itertools
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import click
import orjson

_COLOURS = ("cyan", "green", "yellow", "magenta", "blue")


class Console:
    """Standard output, shared by several processes line by line.

    Colours are left out when it is no terminal.

    Args:
        names: who is going to write.
        as_json: for machines: what is no JSON is made a line of the log like any other.
    """

    def __init__(self, names: Iterable[str], *, as_json: bool = False) -> None:
        self._as_json = as_json
        known = list(names)
        width = max((len(name) for name in known), default=0)
        self._labels = {
            name: click.style(f"{name:<{width}} |", fg=colour)
            for name, colour in zip(known, itertools.cycle(_COLOURS), strict=False)
        }

    def line(self, name: str, text: str) -> None:
        """Print one line of ``name``'s, unless nothing is in it."""
        if not text.strip():
            return
        line = f"{self._labels.get(name, name)} {text}"
        if self._as_json:
            line = text if text.startswith("{") else json_line(text, process=name)
        # If whoever read us has gone, what runs must not stop for that.
        with suppress(OSError):
            click.echo(line)


def json_line(event: str, **facts: Any) -> str:
    """A line as the log has it when it is JSON."""
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    return orjson.dumps({"event": event, "level": "info", "timestamp": now, **facts}).decode()


class LineBuffer:
    """Cuts a stream of bytes into lines of text; a very long line is cut anyway."""

    _LONGEST = 65_536

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        """The lines that ``data`` completes."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > self._LONGEST:
            whole.append(self._rest)
            self._rest = b""
        return [self._text(line) for line in whole]

    def finish(self) -> list[str]:
        """The last line, if the stream ended in the middle of it."""
        rest, self._rest = self._rest, b""
        return [self._text(rest)] if rest else []

    @staticmethod
    def _text(line: bytes) -> str:
        return line.decode(errors="replace").rstrip("\r")
