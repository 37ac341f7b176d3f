"""What the two embedded servers have in common: a folder, a port, a password, a process."""

import os
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from workers.data_dir import StartupError, kept_port, kept_secret, make_folder
from workers.spawn import standing_in

_LOG_LIMIT = 10_000_000


class EmbeddedServer(ABC):
    """A server of our own on 127.0.0.1, with its data in a folder.

    Args:
        data_dir: the data folder; the server keeps to a subfolder of it.
    """

    #: Its subfolder.
    name: str
    #: Its program.
    program: str
    #: What to set in order to do without this server.
    setting: str
    #: What tells it to end cleanly, and soon.
    stop_signal: signal.Signals
    #: How many seconds a start may take: a crash may leave much to recover.
    patience = 120.0

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir.expanduser().absolute() / self.name
        self.log = self.folder / f"{self.name}.log"
        self.port = 0
        self.password = ""
        self._log_start = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients find it, with the password in it."""

    def start(self) -> str:
        """Start the server, on data found or new, and wait until it serves.

        Returns:
            Its URL.

        Raises:
            StartupError: it cannot start; the message says why and what to do.
        """
        self.stop()
        try:
            make_folder(self.folder)
            self._prepare()
            self._end_orphans()
            self.password = kept_secret(self.folder / "password")
            self._make_data()
            return self._start_on_free_port()
        except (OSError, subprocess.SubprocessError) as error:
            raise self._failure(str(error)) from None

    def restart(self) -> None:
        """Start it again on the same port, after it died, without waiting until it serves.

        Raises:
            StartupError: the process cannot be started.
        """
        try:
            self._end_orphans()
            self._process = self._launch()
        except (OSError, subprocess.SubprocessError) as error:
            raise self._failure(str(error)) from None

    def poll(self) -> int | None:
        """How the process ended, as ``subprocess`` has it; None while it runs."""
        return self._process.poll() if self._process else 0

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.poll() is None

    @property
    def pid(self) -> int:
        """The process id; 0 before the first start."""
        return self._process.pid if self._process else 0

    def stop(self, patience: float = 3.0) -> None:
        """End the server cleanly; by force if that takes more than ``patience`` seconds."""
        if self._process is None:
            return
        try:
            self._process.send_signal(self.stop_signal)
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._end_by_force(self._process)
        self._process = None

    def _end_orphans(self, patience: float = 10.0) -> None:
        """End a server of ours that outlived its supervisor, or the children of a killed one."""
        deadline = time.monotonic() + patience
        leader = self._recorded_pid()
        if leader in self._orphans():
            os.kill(leader, self.stop_signal)
        while orphans := self._orphans():
            if time.monotonic() > deadline:
                for pid in orphans:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)

    def _orphans(self) -> list[int]:
        return standing_in(self._work_folder, self.program)

    def _start_on_free_port(self) -> str:
        deadline = time.monotonic() + self.patience
        while True:
            self.port = kept_port(self.folder / "port")
            self._process = self._launch()
            while self.alive and time.monotonic() < deadline:
                if self._is_ready():
                    return self.url
                time.sleep(0.01)
            if self.alive:
                self.stop()
                raise self._failure(f"not ready after {self.patience:.0f} seconds")
            if not self._may_try_again() or time.monotonic() > deadline:
                raise self._failure(self._last_words())
            time.sleep(0.1)

    def _failure(self, reason: str) -> StartupError:
        return StartupError(
            f"the embedded {self.name} in {self.folder} cannot start: {reason}; "
            f"to use a server of your own instead, set {self.setting}"
        )

    def _may_try_again(self) -> bool:
        """Whether it ended for a reason that passes: another took the port just before it."""
        return "ddress already in use" in self._last_output()

    def _last_output(self) -> str:
        try:
            with open(self.log, "rb") as log:
                log.seek(self._log_start)
                return log.read(100_000).decode(errors="replace")
        except OSError:
            return ""

    def _last_words(self) -> str:
        lines = self._last_output().splitlines() or ["it ended without a word"]
        telling = [line for line in lines if "FATAL" in line or "rror" in line]
        return (telling or lines)[-1].strip()

    def _open_log(self) -> IO[bytes]:
        """The log, to be appended to; a long one begins anew, its past kept in ``.1``."""
        if self.log.exists() and self.log.stat().st_size > _LOG_LIMIT:
            self.log.replace(self.log.with_name(self.log.name + ".1"))
        descriptor = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        log = open(descriptor, "ab")  # noqa: SIM115
        self._log_start = os.fstat(log.fileno()).st_size
        return log

    @abstractmethod
    def _prepare(self) -> None:
        """Find the programs and check what they need. May raise StartupError."""

    @abstractmethod
    def _make_data(self) -> None:
        """Make the data if there is none. May raise StartupError."""

    @property
    def _work_folder(self) -> Path:
        """Where its process stands: by this a server of ours is known."""
        return self.folder

    @abstractmethod
    def _recorded_pid(self) -> int:
        """The process id that the server wrote down, 0 if none is to be had."""

    @abstractmethod
    def _launch(self) -> subprocess.Popen[bytes]:
        """Start the process."""

    @abstractmethod
    def _is_ready(self) -> bool:
        """Whether it serves clients."""

    def _end_by_force(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()
        process.wait()


def package_folder(package: str) -> Path:
    """Where an installed package lies, found without running any of its code.

    Raises:
        StartupError: it is not installed; there may be none for this platform.
    """
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise StartupError(
            f"{package} is not installed (it exists for Linux with glibc and for macOS): "
            "install it, or set DATABASE_URL and REDIS_URL to servers of your own"
        )
    return Path(spec.submodule_search_locations[0])
