"""What the operator reads while everything runs: lines that say who wrote them."""

import itertools
import os
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import click
import orjson

_COLOURS = ("cyan", "green", "yellow", "magenta", "blue")
# A reader that stands still finds so many bytes when it goes on; the lines after them are lost.
_MOST_WAITING = 1_000_000
# At the end it has so many seconds to read what was said last.
_PATIENCE = 1.0


class Console:
    """Standard output, shared by several processes line by line.

    Colours are left out when it is no terminal. Nobody who writes waits for whoever reads: a
    terminal that was told to hold, a pager or a dead connection must not stop what runs.

    Args:
        names: who is going to write.
        as_json: for machines: what is no JSON is made a line of the log like any other.
    """

    def __init__(self, names: Iterable[str], *, as_json: bool = False) -> None:
        self._as_json = as_json
        # Not Python's own file: while a write of that stands still, its process cannot end.
        try:
            self._descriptor, self._encoding = sys.stdout.fileno(), sys.stdout.encoding
            self._has_colours = sys.stdout.isatty()
        except (AttributeError, OSError, ValueError):
            self._descriptor, self._encoding = os.open(os.devnull, os.O_WRONLY), "utf-8"
            self._has_colours = False
        self._changed = threading.Condition()
        self._waiting = bytearray()
        self._lost = 0
        self._is_closed = False
        self._writer = threading.Thread(target=self._write, name="console", daemon=True)
        self._writer.start()
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
        if self._as_json:
            self.say(text if text.startswith("{") else json_line(text, process=name))
        else:
            self.say(f"{self._labels.get(name, name)} {text}")

    def say(self, text: str) -> None:
        """Print text as it is, and end its last line."""
        with self._changed:
            said = f"{self._about_lost()}\n{text}" if self._lost else text
            self._lost = 0 if self._keep(said) else self._lost + 1
            self._changed.notify()

    def close(self) -> None:
        """Print nothing more. What was said is printed first, if it is read soon."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self._writer.join(_PATIENCE)

    def _keep(self, text: str) -> bool:
        shown = text if self._has_colours else click.unstyle(text)
        data = f"{shown}\n".encode(self._encoding, errors="replace")
        has_place = len(self._waiting) + len(data) <= _MOST_WAITING
        if has_place:
            self._waiting += data
        return has_place

    def _about_lost(self) -> str:
        said = f"{self._lost} lines were left out, as nobody read them"
        return json_line(said, process="pms") if self._as_json else said

    def _write(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._is_closed)
                left, self._waiting = memoryview(self._waiting), bytearray()
            if not left:
                return
            # If whoever read us has gone, what runs must not stop for that.
            with suppress(OSError):
                while left:
                    left = left[os.write(self._descriptor, left) :]


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
