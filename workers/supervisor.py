"""The supervisor: starts every process of one machine, starts again what dies, ends them all."""

import select
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

from workers.console import Console
from workers.embedded import EmbeddedServer, StartupError
from workers.programs import PROGRAMS, Program, RunningProgram

_TICK = 0.1  # seconds
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0
_CALM = 20.0  # who ran this many seconds is taken for well
_HOPELESS = 5  # crashes in a row before the system was ready for the first time
# Seconds that each turn of programs, then each server, may take to end. It is a moment, unless an
# upload runs: the web process waits eight seconds for that.
_GRACE = (8.5, 4.0)
_SERVER_GRACE = 1.0
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Restartable(Protocol):
    """What can be kept running."""

    name: str

    def poll(self) -> int | None:
        """How it ended; None while it runs."""

    def restart(self) -> None:
        """Start it, without waiting for it."""


class Kept:
    """Keeps something running: whenever it ends it is started again, after growing pauses.

    Args:
        what: it.
        tell: is called with a line for the operator.
    """

    def __init__(self, what: Restartable, tell: Callable[[str], None]) -> None:
        self.what = what
        self.crashes = 0
        self._tell = tell
        self._started = time.monotonic()
        self._due: float | None = None

    def look(self) -> None:
        """Notice its end, or start it again once its pause is over."""
        now = time.monotonic()
        if self._due is None:
            code = self.what.poll()
            if code is not None:
                self._crashed(ending(code))
        elif now >= self._due:
            self._due, self._started = None, now
            try:
                self.what.restart()
            except (StartupError, OSError) as error:
                self._crashed(f"cannot start ({error})")

    def _crashed(self, how: str) -> None:
        now = time.monotonic()
        self.crashes = 1 if now - self._started > _CALM else self.crashes + 1
        pause = min(_FIRST_PAUSE * 2 ** (self.crashes - 1), _LONGEST_PAUSE)
        self._due = now + pause
        self._tell(f"{self.what.name} {how}; starting it again in {pause:.1f} s")


class Supervisor:
    """Runs the programs, beside embedded servers that are already started.

    Use it from the main thread only: on Linux the processes end when the thread that started
    them does, so that not even ``kill -9`` of the supervisor leaves one behind.

    Args:
        env: the environment of every program.
        servers: running servers; kept running, and stopped last.
        console: where the programs' output goes, and what the supervisor has to say; closed at the
            end.
        programs: what to run.
    """

    def __init__(
        self,
        env: Mapping[str, str],
        servers: Sequence[EmbeddedServer],
        console: Console,
        programs: Sequence[Program] = PROGRAMS,
    ) -> None:
        self._console = console
        self._servers = servers
        self._running = [RunningProgram(program, env, console.line) for program in programs]
        everything: list[Restartable] = [*servers, *self._running]
        self._kept = [Kept(what, self._tell) for what in everything]
        self._stops = 0
        self._condemned: set[str] = set()

    def replace(self, name: str) -> None:
        """Have a program that runs but does nothing killed and started again; from any thread."""
        self._condemned.add(name)

    def run(self, is_ready: Callable[[], bool], announce: Callable[[], None]) -> bool:
        """Start everything and keep it running until a signal says stop.

        Args:
            is_ready: whether the system serves; asked until it says so.
            announce: is called once, then.

        Returns:
            False if it gave up, because something cannot start at all.
        """
        with self._stop_signals():
            try:
                for program in self._running:
                    program.restart()
                return self._watch(is_ready, announce)
            finally:
                self._end()
                self._console.close()

    def _watch(self, is_ready: Callable[[], bool], announce: Callable[[], None]) -> bool:
        ready = False
        while not self._stops:
            self._forward()
            self._kill_condemned()
            for kept in self._kept:
                kept.look()
            if ready:
                continue
            if ready := is_ready():
                announce()
            elif broken := [kept for kept in self._kept if kept.crashes >= _HOPELESS]:
                names = ", ".join(kept.what.name for kept in broken)
                self._tell(f"{names} cannot be started: see above for the reason")
                return False
        return True

    def _kill_condemned(self) -> None:
        condemned, self._condemned = self._condemned, set()
        for program in self._running:
            if program.name in condemned:
                self._tell(f"{program.name} runs but does nothing; it is ended")
                program.strike()

    def _forward(self, seconds: float = _TICK) -> None:
        """Pass on what the programs print, waiting for it at most so long."""
        speaking = {each.output: each for each in self._running if each.output is not None}
        for descriptor in select.select(list(speaking), [], [], seconds)[0]:
            speaking[descriptor].read()

    def _end(self) -> None:
        """End all: by turn and in peace, then by force, then the servers."""
        for turn, grace in enumerate(_GRACE):
            ending_now = [running for running in self._running if running.program.turn == turn]
            for running in ending_now:
                running.ask_to_end()
            deadline = time.monotonic() + grace
            # A second signal means that somebody is in a hurry.
            while time.monotonic() < deadline and self._stops < 2:
                if all(running.poll() is not None for running in ending_now):
                    break
                self._forward(0.02)
            for running in ending_now:
                running.kill()
        for server in reversed(self._servers):
            server.stop(_SERVER_GRACE)

    def _tell(self, text: str) -> None:
        self._console.line("pms", text)

    @contextmanager
    def _stop_signals(self) -> Iterator[None]:
        def stop(_number: int, _frame: FrameType | None) -> None:
            self._stops += 1

        # Under nohup the end of the terminal is to be ignored.
        heeded = [each for each in _STOP_SIGNALS if signal.getsignal(each) != signal.SIG_IGN]
        before = {number: signal.signal(number, stop) for number in heeded}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def ending(code: int) -> str:
    """How a process ended, in words, from its code as ``subprocess`` has it."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"
