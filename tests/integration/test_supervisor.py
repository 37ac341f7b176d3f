"""The supervisor: what dies comes back, and at the end nothing is left."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2
import pytest

from tests.servers import reachable_folder, runs, wait_until

pytestmark = pytest.mark.timeout(90)

_SUPERVISED = """
import os, signal, sys
# Whoever runs the tests may do so under nohup.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
from pathlib import Path
from workers.console import Console
from workers.embedded import EmbeddedPostgres, EmbeddedValkey
from workers.programs import Program
from workers.supervisor import Supervisor
folder, *names = sys.argv[1:]
servers = [EmbeddedPostgres(Path(folder)), EmbeddedValkey(Path(folder))]
servers = servers if "servers" in names else []
for server in servers:
    print("server", server.name, server.start(), server.pid, flush=True)
programs = [
    Program(name, ("program", name, folder), turn=int(name in ("worker", "stubborn")))
    for name in names if name != "servers"
]
started = lambda: all(Path(folder, program.name).exists() for program in programs)
supervisor = Supervisor(dict(os.environ), servers, Console(names), programs)
sys.exit(not supervisor.run(started, lambda: os.write(1, b"ready\\n")))
"""

# Writes its number into a file of its name, and into `ended` when it is asked to end.
_PROGRAM = """
import os, signal, subprocess, sys
from pathlib import Path
name, folder = sys.argv[1:]
if name == "broken":
    sys.exit(7)
def end(*_):
    with open(f"{folder}/ended", "a") as file:
        print(name, file=file)
    sys.exit()
def speak(*_):
    print("all its lines " * 50_000, flush=True)
    Path(folder, "spoken").touch()
signal.signal(signal.SIGTERM, signal.SIG_IGN if name == "stubborn" else end)
signal.signal(signal.SIGUSR1, speak)
if name == "parent":
    child = subprocess.Popen([sys.executable, __file__, "stubborn", folder])
print("says", name, flush=True)
Path(folder, name + ".new").write_text(str(os.getpid()))
Path(folder, name + ".new").rename(Path(folder, name))
while True:
    signal.pause()
"""


class Supervised:
    """A supervisor in a process of its own, over programs that do nothing.

    Args:
        folder: where they write.
        names: theirs.
        output: where the supervisor's output goes instead of a file of the folder.
    """

    def __init__(self, folder: Path, *names: str, output: int | None = None) -> None:
        self.folder = folder
        (folder / "program.py").write_text(_PROGRAM)
        self._log = open(folder / "output", "w+b")  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, "-c", _SUPERVISED, str(folder), *names],
            env={**os.environ, "PYTHONPATH": f"{Path.cwd()}:{folder}"},
            stdout=self._log if output is None else output,
            stderr=subprocess.STDOUT,
        )

    def output(self) -> str:
        return (self.folder / "output").read_text()

    def wait_ready(self) -> None:
        wait_until(lambda: "ready\n" in self.output(), 30)

    def pid(self, name: str) -> int:
        return int((self.folder / name).read_text())

    def server(self, name: str) -> tuple[str, int]:
        words = next(
            line.split() for line in self.output().splitlines() if line.startswith(f"server {name}")
        )
        return words[2], int(words[3])

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(20)
        self._log.close()


@pytest.fixture
def folder() -> Iterator[Path]:
    fresh = reachable_folder()
    yield fresh
    shutil.rmtree(fresh)


@contextmanager
def supervised(folder: Path, *names: str) -> Iterator[Supervised]:
    running = Supervised(folder, *names)
    try:
        running.wait_ready()
        yield running
    finally:
        running.close()


@pytest.fixture
def two(folder: Path) -> Iterator[Supervised]:
    """A supervisor of a web process and a worker."""
    with supervised(folder, "worker", "web") as running:
        yield running


@pytest.fixture
def whole(folder: Path) -> Iterator[Supervised]:
    """A supervisor of a web process, a worker and both servers."""
    with supervised(folder, "worker", "web", "servers") as running:
        yield running


def test_a_killed_program_is_started_again(two: Supervised) -> None:
    first = two.pid("web")
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: two.pid("web") != first)
    assert "web was killed by SIGKILL; starting it again in 0.2 s" in two.output()
    assert runs(two.pid("worker"))
    assert two.process.poll() is None


def test_output_says_who_wrote_it(two: Supervised) -> None:
    wait_until(lambda: "web    | says web\n" in two.output())
    wait_until(lambda: "worker | says worker\n" in two.output())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_all_in_order(two: Supervised, number: signal.Signals) -> None:
    pids = [two.pid("web"), two.pid("worker")]
    two.process.send_signal(number)
    assert two.process.wait(10) == 0
    assert (two.folder / "ended").read_text().split() == ["web", "worker"]
    assert not any(runs(pid) for pid in pids)


def test_the_servers_end_with_the_rest(whole: Supervised) -> None:
    pids = [whole.server(name)[1] for name in ("postgres", "valkey")]
    assert all(runs(pid) for pid in pids)
    whole.process.terminate()
    assert whole.process.wait(12) == 0
    assert not any(runs(pid) for pid in pids)
    assert not (whole.folder / "postgres/data/postmaster.pid").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can do this")
def test_a_killed_supervisor_leaves_nothing(whole: Supervised) -> None:
    pids = [whole.pid(name) for name in ("web", "worker")]
    pids += [whole.server(name)[1] for name in ("postgres", "valkey")]
    assert all(runs(pid) for pid in pids)
    whole.process.kill()
    wait_until(lambda: not any(runs(pid) for pid in pids))


@pytest.mark.parametrize("name", ["postgres", "valkey"])
def test_a_killed_server_comes_back_on_its_port(whole: Supervised, name: str) -> None:
    _, pid = whole.server(name)
    port = (whole.folder / name / "port").read_text()
    os.kill(pid, signal.SIGKILL)
    pid_file = whole.folder / name / ("data/postmaster.pid" if name == "postgres" else "valkey.pid")

    def back() -> bool:
        try:
            return int(pid_file.read_text().split()[0]) != pid
        except (OSError, IndexError):
            return False

    wait_until(back)
    assert f"{name} was killed by SIGKILL" in whole.output()
    assert (whole.folder / name / "port").read_text() == port
    if name == "postgres":
        wait_until(lambda: _answers(whole.server("postgres")[0]))


def _answers(url: str) -> bool:
    try:
        psycopg2.connect(url).close()
    except psycopg2.OperationalError:
        return False
    return True


def test_a_program_that_will_not_end_is_killed(folder: Path) -> None:
    with supervised(folder, "stubborn", "web") as running:
        stubborn = running.pid("stubborn")
        asked = time.monotonic()
        running.process.terminate()
        assert running.process.wait(11) == 0
        assert time.monotonic() - asked < 10
        assert not runs(stubborn)


def test_a_second_signal_hastens(folder: Path) -> None:
    with supervised(folder, "stubborn", "web") as running:
        asked = time.monotonic()
        running.process.terminate()
        wait_until(lambda: (folder / "ended").exists())
        running.process.terminate()
        assert running.process.wait(10) == 0
        assert time.monotonic() - asked < 3


def test_what_a_program_started_ends_with_it(folder: Path) -> None:
    with supervised(folder, "parent", "web") as running:
        wait_until(lambda: (folder / "stubborn").exists())
        grandchild = running.pid("stubborn")
        (folder / "stubborn").unlink()
        os.kill(running.pid("parent"), signal.SIGKILL)
        wait_until(lambda: not runs(grandchild))
        wait_until(lambda: (folder / "stubborn").exists())


def test_what_cannot_start_at_all_is_given_up(folder: Path) -> None:
    running = Supervised(folder, "broken", "web")
    assert running.process.wait(30) == 1
    output = running.output()
    assert "broken ended with exit code 7; starting it again in 0.2 s" in output
    assert "broken ended with exit code 7; starting it again in 0.4 s" in output
    assert "broken cannot be started" in output
    assert not runs(running.pid("web"))
    running.close()


def test_a_terminal_that_stands_still_stops_nothing(folder: Path) -> None:
    """As after a Ctrl-S, in a pager, or while a dead connection is not yet known to be dead."""
    reader, writer = os.pipe()
    with (
        closing(Supervised(folder, "worker", "web", output=writer)) as running,
        open(reader, "rb") as terminal,
    ):
        os.close(writer)
        assert b"ready\n" in iter(terminal.readline, b"")
        # Nobody reads from here on.
        os.kill(running.pid("worker"), signal.SIGUSR1)
        wait_until((folder / "spoken").exists)
        first = running.pid("web")
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: running.pid("web") != first)
        running.process.terminate()
        assert running.process.wait(10) == 0
