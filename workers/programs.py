"""The processes a running system consists of: how each is started, heard and ended."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from workers.console import LineBuffer
from workers.spawn import end_group, spawn


@dataclass(frozen=True)
class Program:
    """A kind of process.

    Args:
        name: what the operator sees.
        arguments: what follows ``python -m``.
        turn: 0 ends first; 1 when those have ended, since it works for them.
    """

    name: str
    arguments: tuple[str, ...]
    turn: int = 0

    @property
    def command(self) -> tuple[str, ...]:
        """The whole command, with the Python that runs us."""
        return (sys.executable, "-m", *self.arguments)


_CELERY = ("celery", "-q", "-A", "workers.app")
_QUEUES = "line,maintenance,analytics"

#: All of them, beside the servers. The Procfile says the same.
PROGRAMS = (
    Program("web", ("web.server",)),
    Program("worker", (*_CELERY, "worker", "--loglevel=warning", "-c", "3", "-Q", _QUEUES), turn=1),
    Program("beat", (*_CELERY, "beat", "--loglevel=warning")),
)


class RunningProgram:
    """One process of a program, and those that it started itself.

    Args:
        program: which.
        env: its environment.
        show: is called with its name and each line that it prints.
    """

    def __init__(
        self, program: Program, env: Mapping[str, str], show: Callable[[str, str], None]
    ) -> None:
        self.program = program
        self.name = program.name
        self._env = {**env, "PYTHONUNBUFFERED": "1"}
        self._show = show
        self._lines = LineBuffer()
        self._silent = False
        self._process: subprocess.Popen[bytes] | None = None

    def restart(self) -> None:
        """Start it; what an earlier one left behind is ended first."""
        self.kill()
        self._process = spawn(self.program.command, env=self._env, output=subprocess.PIPE)
        self._silent = False
        if self.output is not None:
            os.set_blocking(self.output, False)

    def poll(self) -> int | None:
        """How it ended, as ``subprocess`` has it; None while it runs."""
        return self._process.poll() if self._process else 0

    @property
    def pid(self) -> int:
        """The process id; 0 before the first start."""
        return self._process.pid if self._process else 0

    @property
    def output(self) -> int | None:
        """A descriptor to wait on for what it prints; None if it will print nothing more."""
        if self._process is None or self._process.stdout is None or self._silent:
            return None
        return self._process.stdout.fileno()

    def read(self) -> bool:
        """Show what it has printed since; False if that is nothing."""
        if self.output is None:
            return False
        try:
            data = os.read(self.output, 65_536)
        except BlockingIOError:
            return False
        self._silent = not data
        for line in self._lines.feed(data) if data else self._lines.finish():
            self._show(self.name, line)
        return bool(data)

    def ask_to_end(self) -> None:
        """Let it finish what it does and end."""
        if self._process:
            self._process.send_signal(signal.SIGTERM)

    def strike(self) -> None:
        """Kill it and all that it started; `poll` tells that it has ended."""
        if self._process is not None:
            end_group(self._process)

    def kill(self) -> None:
        """End it and all that it started, at once, and show its last words."""
        if self._process is None:
            return
        end_group(self._process)
        while self.read():
            pass
        if self._process.stdout:
            self._process.stdout.close()
        self._process = None
