"""The console that several processes share: who wrote a line, or JSON throughout."""

import json

import pytest

from workers.console import Console


def test_a_line_says_who_wrote_it(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(["web", "worker"])
    for text in ("listening", "", " "):
        console.line("web", text)
    assert capsys.readouterr().out == "web    | listening\n"


def test_for_machines_every_line_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(["pms", "web"], as_json=True)
    console.line("web", '{"event":"listening"}')
    console.line("pms", "web was killed by SIGKILL; starting it again in 0.2 s")
    as_it_is, made = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert as_it_is == {"event": "listening"}
    assert made.pop("timestamp").endswith("Z")
    assert made == {
        "event": "web was killed by SIGKILL; starting it again in 0.2 s",
        "level": "info",
        "process": "pms",
    }
