"""The console that several processes share: who wrote a line, or JSON throughout."""

import json
import os
import sys
import threading
import time

import pytest

from tests.servers import wait_until
from workers.console import Console


def test_a_line_says_who_wrote_it(capfd: pytest.CaptureFixture[str]) -> None:
    console = Console(["web", "worker"])
    for text in ("listening", "", " "):
        console.line("web", text)
    console.close()
    assert capfd.readouterr().out == "web    | listening\n"


def test_for_machines_every_line_is_json(capfd: pytest.CaptureFixture[str]) -> None:
    console = Console(["pms", "web"], as_json=True)
    console.line("web", '{"event":"listening"}')
    console.line("pms", "web was killed by SIGKILL; starting it again in 0.2 s")
    console.close()
    as_it_is, made = (json.loads(line) for line in capfd.readouterr().out.splitlines())
    assert as_it_is == {"event": "listening"}
    assert made.pop("timestamp").endswith("Z")
    assert made == {
        "event": "web was killed by SIGKILL; starting it again in 0.2 s",
        "level": "info",
        "process": "pms",
    }


def test_who_writes_does_not_wait_for_who_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits has its bounds; a line says how many were lost."""
    reader, writer = os.pipe()
    found: list[int | str] = []
    with open(reader) as terminal, open(writer, "w") as output:
        monkeypatch.setattr(sys, "stdout", output)
        console = Console(["web"])
        for number in range(30_000):
            console.line("web", f"{number:>100}")
        reads = threading.Thread(target=lambda: found.extend(map(_number, terminal)))
        reads.start()
        wait_until(lambda: not console._waiting)
        console.line("web", "30000")
        console.close()
        output.close()
        reads.join()
    *whole, lost, last = found
    assert len(whole) > 9_000
    assert whole == list(range(len(whole)))
    assert lost == f"{30_000 - len(whole)} lines were left out, as nobody read them"
    assert last == 30_000


def test_an_end_waits_a_moment_for_who_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    with open(reader, "rb"), open(writer, "w") as output:
        monkeypatch.setattr(sys, "stdout", output)
        console = Console(["web"])
        console.line("web", "x" * 200_000)
        began = time.monotonic()
        console.close()
        assert 0.9 < time.monotonic() - began < 5


def _number(line: str) -> int | str:
    said = line.strip()
    return int(said.removeprefix("web |")) if said.startswith("web |") else said
