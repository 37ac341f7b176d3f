"""The command line when an answer gets lost: the same change is asked for again, and only once."""

import json
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from web.cli import main
from web.cli_client import Api
from web.cli_errors import AwayError, LostError
from web.cli_target import Target

ID = "0198c0de-0000-7000-8000-000000000000"
PRODUCT = {"id": ID, "name": "Mug", "sku": "MUG"}
ENDED = {
    "id": ID,
    "status": "succeeded",
    "progress": {"done": 1, "total": 1},
    "error": None,
    "result": {
        "applied": 1, "refused": 0, "refusedRows": [],
        "stock": 5, "onHandChange": 5, "onHand": 5, "reserved": 0,
    },
}  # fmt: skip
# What a change meets instead of its answer: a connection that ends before it, or in its middle;
# or nobody any more.
BROKEN, CUT, GONE = "broken", "cut", "gone"


class Shop(ThreadingHTTPServer):
    """A service that applies what it is sent, of whose answers some get lost.

    Attributes:
        lost: what the next changes meet; after them all are answered.
        keys: the idempotency keys of the changes that came.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.lost: list[Any] = []
        self.keys: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


class Answering(BaseHTTPRequestHandler):
    """One request to the shop."""

    server: Shop

    def do_GET(self) -> None:
        if self.server.lost[:1] == [GONE]:
            self.server.shutdown()
            self.server.server_close()
        self._answer(200, {"status": "ok"} if self.path == "/health" else PRODUCT)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.keys.append(self.headers["Idempotency-Key"])
        met = self.server.lost.pop(0) if self.server.lost else 200
        if met == BROKEN:
            self.close_connection = True
        elif met == CUT:
            self._answer(200, ENDED, missing=9)
        elif met == 200:
            self._answer(200, ENDED)
        elif met in (404, 502):
            self._answer(met, "<h1>A proxy's page</h1>")
        elif met == 401:
            self._answer(401, {"type": "/docs/problems/unauthorized", "detail": "No."})
        else:
            self._answer(503, {"type": "/docs/problems/unavailable", "detail": "Away.", **met})

    def _answer(self, status: int, body: Any, missing: int = 0) -> None:
        content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if isinstance(body, str) else "text/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) - missing])

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def shop() -> Iterator[Shop]:
    found = Shop()
    threading.Thread(target=found.serve_forever, args=(0.01,), daemon=True).start()
    yield found
    found.shutdown()
    found.server_close()


Pms = Callable[..., Result]


@pytest.fixture
def pms(shop: Shop, tmp_path: Path) -> Pms:
    (tmp_path / "key").write_text("pms_0123456789abcdefghij")
    (tmp_path / "delivery.csv").write_text("sku,quantity,type\nMUG,5,increment\n")

    def run(*words: str) -> Result:
        named = [str(tmp_path / word) if word.endswith(".csv") else word for word in words]
        target = ("--url", shop.url, "--key-file", str(tmp_path / "key"))
        return CliRunner().invoke(main, [*named, *target])

    return run


@pytest.fixture
def _without_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent a second time."""
    monkeypatch.setattr("web.cli_stock.Api", partial(Api, patience=0.0))
    monkeypatch.setattr("web.cli_import.LONG_PATIENCE", 0.0)
    monkeypatch.setattr("web.cli_client._UPLOAD_SECONDS", 0.0)


UPLOAD = ("import", "stock", "delivery.csv")
ADJUST = ("adjust", ID, "+5", "--wait", "0")
CHANGES = pytest.mark.parametrize("words", [UPLOAD, ADJUST], ids=["upload", "adjust"])
LOST = pytest.mark.parametrize("lost", [BROKEN, CUT, 502, {"outcome": "unknown"}], ids=str)


@CHANGES
@LOST
def test_it_is_sent_again_with_its_key(
    shop: Shop, pms: Pms, words: tuple[str, ...], lost: Any
) -> None:
    shop.lost = [lost]
    done = pms(*words)
    assert (done.exit_code, done.stderr) == (0, "")
    first, second = shop.keys
    assert first == second


@CHANGES
@LOST
@pytest.mark.usefixtures("_without_patience")
def test_whoever_does_not_learn_the_end_is_told_the_key(
    shop: Shop, pms: Pms, words: tuple[str, ...], lost: Any
) -> None:
    shop.lost = [lost, lost]
    done = pms(*words)
    (key,) = shop.keys
    assert (done.exit_code, done.stderr.count("\n")) == (6, 1)
    assert "it is not known whether this was done" in done.stderr
    assert f"`--once {key}`" in done.stderr
    told = json.loads(pms(*words, "--json", "--once", key).stdout)
    assert (told["idempotencyKey"], told["exitCode"]) == (key, 6)
    assert pms(*words, "--once", key).exit_code == 0
    assert shop.keys == [key] * 3


@CHANGES
@pytest.mark.parametrize("refused", [401, 404])
def test_who_refuses_another_try_says_nothing_of_the_one_before(
    shop: Shop, pms: Pms, words: tuple[str, ...], refused: int
) -> None:
    shop.lost = [BROKEN, refused]
    done = pms(*words)
    assert (done.exit_code, f"`--once {shop.keys[0]}`" in done.stderr) == (6, True)


@CHANGES
@pytest.mark.usefixtures("_without_patience")
def test_a_dry_run_leaves_nothing_to_ask_for(shop: Shop, pms: Pms, words: tuple[str, ...]) -> None:
    shop.lost = [BROKEN, BROKEN]
    done = pms(*words, "--dry-run")
    assert (done.exit_code, "--once" in done.stderr) == (1, False)


@CHANGES
@pytest.mark.usefixtures("_without_patience")
def test_what_was_never_sent_is_not_done(shop: Shop, pms: Pms, words: tuple[str, ...]) -> None:
    shop.lost = [GONE]
    assert pms(*words).exit_code == 1
    assert shop.keys == []


@CHANGES
@pytest.mark.usefixtures("_without_patience")
def test_what_the_service_says_was_not_done_was_not(
    shop: Shop, pms: Pms, words: tuple[str, ...]
) -> None:
    shop.lost = [{}]
    done = pms(*words)
    assert (done.exit_code, "--once" in done.stderr) == (1, False)


@CHANGES
def test_whoever_interrupts_it_is_told_the_key(
    shop: Shop, pms: Pms, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    shop.lost = [BROKEN]
    # It waits a little before it sends it again.
    monkeypatch.setattr("web.cli_client.time.sleep", interrupt)
    done = pms(*words)
    (key,) = shop.keys
    assert done.exit_code == 6
    assert done.stderr == (
        "pms: interrupted; it is not known whether this was done: the same command with "
        f"`--once {key}` tells, and does it once\n"
    )


def test_once_lost_it_stays_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever becomes of it when it is sent again."""
    met = iter([LostError("lost"), AwayError("nothing was done")])

    def fail(api: Api, *_: Any) -> None:
        api._reached = True
        raise next(met)

    monkeypatch.setattr(Api, "_try", fail)
    monkeypatch.setattr("web.cli_client._PAUSE", 0.3)
    with pytest.raises(LostError, match="lost"):
        Api(Target("http://127.0.0.1:1", "key", "here"), patience=0.5).send("POST", "/")
