"""Starting child processes that do not outlive the process that started them."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

import psutil  # type: ignore[import-untyped]

_PR_SET_PDEATHSIG = 1
# Looked up before any fork: a child between fork and exec must not load libraries.
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def spawn(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    output: IO[bytes] | int | None = None,
    death_signal: signal.Signals = signal.SIGKILL,
    user: tuple[int, int] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a child in a session of its own, so that a Ctrl-C in the terminal passes it by.

    On Linux the kernel sends it ``death_signal`` when the calling *thread* ends, also by
    ``kill -9``: call this from a thread that lives as long as the child should, which in
    practice means the main thread.

    Args:
        command: program and arguments.
        env: its whole environment.
        cwd: its working folder.
        output: where its output and errors go together; a file, ``subprocess.PIPE`` or a
            descriptor. None: nowhere.
        death_signal: what it gets if this process dies first.
        user: (uid, gid) to run as; only root can ask for this.

    Raises:
        OSError: the program cannot be started.
    """
    uid, gid = user or (None, None)
    return subprocess.Popen(  # noqa: S603
        [str(part) for part in command],
        env=dict(env),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL if output is None else output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        # What servers write is nobody else's to read.
        umask=0o077,
        user=uid,
        group=gid,
        extra_groups=None if user is None else [],
        preexec_fn=die_with_parent(death_signal),
    )


def die_with_parent(death_signal: signal.Signals) -> Callable[[], None] | None:
    """A ``preexec_fn`` that has the kernel signal the child when this thread ends.

    None where only Linux could do it.
    """
    libc, parent = _LIBC, os.getpid()
    if libc is None:
        return None

    def before_exec() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:  # it died between the fork and the line above
            os._exit(1)

    return before_exec


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of a child's session, itself included, at once."""
    with suppress(ProcessLookupError, PermissionError):  # macOS says the latter of zombies
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def standing_in(folder: Path, program: str) -> list[int]:
    """The processes of a program whose working folder is ``folder``, whoever started them.

    A zombie is not among them: it has no folder any more.
    """
    place = str(folder.resolve())
    return [
        process.pid
        for process in psutil.process_iter(["name", "cwd"])
        if process.info["name"] == program and process.info["cwd"] == place
    ]
