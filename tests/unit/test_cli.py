"""The command line by itself: where it looks for the service, how it reads and says things."""

import errno
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from db.models.api_key import SCOPES
from web.cli import _COMMANDS, main
from web.cli_client import Answer, Api
from web.cli_errors import FAILED, REFUSED, USAGE, AwayError, CommandError
from web.cli_feed import Topic
from web.cli_findings import data_folder, line, python_and_packages
from web.cli_import import _put
from web.cli_keys import _SCOPES
from web.cli_output import duration, printable
from web.cli_stock import Change, find_product
from web.cli_system import _shown_key
from web.cli_target import Target, find_target, is_local

_SETTINGS = ("HOST", "PORT", "PMS_API_KEY", "PMS_DATA_DIR")
KEY = "pms_0123456789abcdefghij"


@pytest.fixture(autouse=True)
def _no_setting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in _SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PMS_DATA_DIR", str(tmp_path))


def pms(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_the_service_of_this_machine_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "admin-key").write_text(KEY + "\n")
    target = find_target()
    assert (target.url, target.secret) == ("http://127.0.0.1:8000", KEY)
    assert KEY not in repr(target)
    monkeypatch.setenv("HOST", "::")
    monkeypatch.setenv("PORT", "81")
    assert find_target().url == "http://[::1]:81"


def test_the_nearest_key_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "admin-key").write_text(KEY)
    monkeypatch.setenv("PMS_API_KEY", "from-the-environment")
    assert find_target().secret == "from-the-environment"
    own = tmp_path / "own"
    own.write_text("from-the-file\n")
    assert find_target(key_file=own).secret == "from-the-file"


def test_who_is_refused_with_the_key_of_pms_up_learns_where_it_is_kept(tmp_path: Path) -> None:
    """Another key would have to be named each time."""
    kept = tmp_path / "admin-key"
    kept.write_text(KEY)
    said = find_target().refusal("write")
    assert f"refuses the key from {kept}" in said
    assert "put its successor into that file" in said
    named = find_target(key_file=kept).refusal("write")
    assert "`pms keys create NAME --scope write`" in named


def test_a_key_that_has_ended_is_not_shown_as_one(tmp_path: Path) -> None:
    kept = tmp_path / "admin-key"
    kept.write_text(KEY + "\n")
    assert _shown_key(kept, is_spent=False, to_people=True) == f"{KEY}, kept in {kept}"
    assert _shown_key(kept, is_spent=False, to_people=False) == str(kept)
    ended = _shown_key(kept, is_spent=True, to_people=True)
    assert KEY not in ended
    assert f"the one in {kept} has ended" in ended
    assert "has ended" in _shown_key(None, is_spent=True, to_people=True)


def test_this_machines_key_goes_to_no_other_one(tmp_path: Path) -> None:
    (tmp_path / "admin-key").write_text(KEY)
    assert find_target("http://localhost:9000/").secret == KEY
    target = find_target("https://shop.example")
    assert target.secret is None
    with pytest.raises(CommandError, match="is not sent to another machine"):
        target.key()


@pytest.mark.parametrize(
    "url", ["ftp://x", "localhost:8000", "http://", "http://u:p@x", "http://["]
)
def test_a_wrong_address_is_refused(url: str) -> None:
    result = pms("stock", "x", "--url", url)
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("text", ["", "two words", "ä"])
def test_a_file_without_a_key_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "key"
    file.write_text(text)
    result = pms("stock", "x", "--key-file", str(file))
    assert (result.exit_code, "holds no key" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    ("url", "local"),
    [("http://127.0.0.1:1", True), ("http://[::1]", True), ("http://10.0.0.1", False)],
)
def test_what_is_this_machine(url: str, local: bool) -> None:
    assert is_local(url) is local


@pytest.mark.parametrize(("text", "change"), [("+5", 5), ("-3", -3), ("+1000000000", 10**9)])
def test_a_change_has_a_sign(text: str, change: int) -> None:
    assert Change().convert(text, None, None) == change


@pytest.mark.parametrize("text", ["5", "+0", "-0", "+1000000001", "--3", "+5x", "+", "+٣"])
def test_all_else_is_no_change(text: str) -> None:
    result = pms("adjust", "MUG", text)
    assert result.exit_code == 2


class Alike(Api):
    """A shop of products that are named alike, newest first; the oldest has the SKU ``A``."""

    def __init__(self, number: int) -> None:
        super().__init__(Target("http://127.0.0.1:1", KEY, "here"))
        named = [{"id": f"{n}", "sku": f"BA{n}", "name": "Bag"} for n in range(1, number)]
        self._products = [*named, {"id": "0", "sku": "A", "name": "Bag"}]
        self.changed: list[str] = []

    def get(self, path: str, **query: Any) -> Any:
        start = int(query.get("cursor") or 0)
        end = start + query["limit"]
        following = str(end) if end < len(self._products) else None
        return {"items": self._products[start:end], "nextCursor": following}

    def send(self, method: str, path: str, *_: Any, **__: Any) -> Answer:
        if method == "POST":
            problem = {"type": "/docs/problems/sku-taken"}
            raise CommandError("The SKU is taken.", REFUSED, problem)
        self.changed.append(path)
        return Answer(200, {"id": "0", "status": "draft"})


def test_a_sku_is_found_however_many_are_like_it() -> None:
    assert find_product(Alike(250), "A")["id"] == "0"
    with pytest.raises(CommandError, match="give an id") as caught:
        find_product(Alike(1500), "Bag")
    assert caught.value.code == USAGE


def test_an_import_finds_a_sku_however_many_are_like_it() -> None:
    shop = Alike(250)
    assert _put(shop, {"sku": "A", "name": "Bag"}, "key") == "changed"
    assert shop.changed == ["/api/pms/products/0"]
    with pytest.raises(CommandError, match=r"The SKU is taken\."):
        _put(shop, {"sku": "C", "name": "Bag"}, "key")


@pytest.mark.parametrize("words", [("export", "movements", "--json"), ("repair",)])
def test_what_takes_many_requests_waits_for_the_next_minute(
    monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    answers = iter([None, {"items": [], "differences": [], "nextCursor": None}])
    slept: list[float] = []

    def answer(api: Api, *_: Any) -> Answer:
        api._reached = True
        body = next(answers)
        if body is None:
            raise AwayError("Too many requests.", FAILED, {"retryAfter": 59})
        return Answer(200, body)

    monkeypatch.setattr(Api, "_try", answer)
    monkeypatch.setattr("web.cli_client.time.sleep", slept.append)
    monkeypatch.setenv("PMS_API_KEY", KEY)
    assert pms(*words).exit_code == 0
    assert slept == [59]


@pytest.mark.parametrize("name", ["", "  "])
def test_an_unset_variable_is_no_product(name: str) -> None:
    target = ("--url", "http://127.0.0.1:1")
    for words in (("stock", name), ("adjust", name, "+5"), ("watch", "product", name)):
        result = pms(*words, *target)
        assert (result.exit_code, result.stderr.startswith("pms: ID is empty")) == (2, True)


@pytest.mark.parametrize("revision", ["", " ", "-1"])
def test_a_way_down_has_an_end(revision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/x")
    result = pms("migrate", "--down", revision, "--json")
    assert (result.exit_code, json.loads(result.stdout)["exitCode"]) == (2, 2)
    assert "--down: must be a revision" in result.stderr


def test_another_machines_shop_is_asked_for() -> None:
    result = pms("demo", "--url", "http://shop.invalid", "--json")
    assert (result.exit_code, json.loads(result.stdout)["exitCode"]) == (1, 1)
    assert "for good to http://shop.invalid" in result.stderr
    assert result.stderr.endswith("pms: nothing was done; --yes agrees without being asked\n")


def test_an_export_needs_a_files_name() -> None:
    result = pms("export", "stock", "--url", "http://127.0.0.1:1", "--output", "")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert result.stderr.startswith("pms: --output: ")


def test_a_full_disk_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("web.cli_output.print_json", full)
    monkeypatch.setattr("web.cli_doctor.print_json", full)
    result = pms("doctor", "--json")
    said = "pms: what it has to say cannot be written (No space left on device)\n"
    assert (result.exit_code, result.stderr) == (1, said)


@pytest.mark.parametrize(
    ("depth", "oldest", "states"),
    [(0, None, ["ok"]), (900, 3.5, ["ok"]), (1, 125.0, ["wrong"]), (None, None, [])],
)
def test_doctor_sees_a_line_that_stands_still(
    depth: int | None, oldest: float | None, states: list[str]
) -> None:
    found = list(line({"depth": depth, "oldestSeconds": oldest, "dead": 0}))
    assert [one.state for one in found] == states
    assert all(one.remedy for one in found if one.state == "wrong")


def test_a_mistyped_option_is_told() -> None:
    assert pms("adjust", "MUG", "-3", "--reson", "x").exit_code == 2


def helped(command: click.Command, *words: str) -> Iterator[tuple[str, ...]]:
    """A command and all that are under it, as words."""
    yield words
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            below = command.get_command(click.Context(command), name)
            assert below is not None
            yield from helped(below, *words, name)


@pytest.mark.parametrize("words", list(helped(main)), ids=" ".join)
def test_help_teaches(words: tuple[str, ...]) -> None:
    result = pms(*words, "--help")
    assert result.exit_code == 0
    assert "Usage: main" in result.output
    assert "\\b" not in result.output
    assert not [one for one in result.output if one != "\n" and not one.isprintable()]


@pytest.mark.parametrize("words", list(helped(main)), ids=" ".join)
def test_every_command_takes_json(words: tuple[str, ...]) -> None:
    said = pms(*words, "--help").output
    assert "--json" in said or "COMMAND [ARGS]" in said


def test_the_list_of_commands_says_what_each_says_of_itself() -> None:
    for name, (_, said) in _COMMANDS.items():
        command = main.get_command(click.Context(main), name)
        assert command is not None
        assert (command.name, (command.help or "").splitlines()[0]) == (name, said)


def test_the_scopes_are_those_of_keys() -> None:
    assert _SCOPES == SCOPES


def test_help_is_told_without_loading_what_it_does_not_need() -> None:
    code = (
        "import sys\nfrom web.cli import main\n"
        "try:\n    main()\nfinally:\n    print(*sys.modules, file=sys.stderr)"
    )
    for words in ([], ["keys"], ["keys", "create"], ["up"], ["doctor"], ["demo"], ["watch"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *words, "--help"],
            capture_output=True,
            text=True,
            check=True,
        )
        loaded = set(done.stderr.split())
        assert "web.cli" in loaded
        heavy = {"flask", "celery", "sqlalchemy", "alembic", "redis", "socketio", "eventlet"}
        assert not loaded & heavy, words
        if not words:
            assert not loaded & {"pydantic", "rich", "requests"}


def test_wrong_usage_is_told_as_json_too() -> None:
    result = pms("keys", "create", "till", "--json")
    assert result.exit_code == 2
    told = json.loads(result.stdout)
    assert told["exitCode"] == 2
    assert "--scope" in told["detail"]
    assert "Usage:" in result.stderr


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("bogus", "--json"), "bogus"),
        (("--json", "bogus"), "--json"),
        (("stock", "--bogus", "mug", "--json"), "--bogus"),
    ],
)
def test_words_that_make_no_sense_are_told_as_json_too(words: tuple[str, ...], part: str) -> None:
    result = pms(*words)
    assert result.exit_code == 2
    assert part in json.loads(result.stdout)["detail"]
    assert pms("bogus", "--", "--json").stdout == ""


@pytest.mark.parametrize("arguments", [("watch", "product"), ("watch", "system", "x")])
def test_watch_asks_for_what_is_missing(arguments: tuple[str, ...]) -> None:
    assert pms(*arguments).exit_code == 2


def test_names_cannot_steer_the_terminal() -> None:
    assert printable("Mug\x1b[2J\n\u202e") == "Mug?[2J??"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.04, "0.0 s"), (59, "59.0 s"), (125, "2 min 5 s"), (100_000, "1 d 3 h")],
)
def test_how_long(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_topics_ask_from_where_they_were() -> None:
    topic = Topic("order", "an-id")
    assert topic.request() == {"orderId": "an-id"}
    topic.cursor = "mark.7"
    assert topic.request() == {"orderId": "an-id", "since": "mark.7"}
    assert Topic("system").request() == {}


def test_this_installation_fits(tmp_path: Path) -> None:
    findings = [*python_and_packages(), *data_folder(tmp_path / "not" / "yet")]
    assert [finding.about for finding in findings] == ["Python", "packages", "disk"]
    assert not [finding for finding in findings if finding.state == "wrong"]


def difference(check: str, product: str, detail: str, stream: str | None = None) -> dict[str, Any]:
    return {
        "check": check, "productId": product, "name": product, "stream": stream, "detail": detail
    }  # fmt: skip


@pytest.mark.parametrize("as_json", [False, True])
def test_only_what_is_left_of_a_repair_was_refused(
    monkeypatch: pytest.MonkeyPatch, as_json: bool
) -> None:
    """A stream may be mended along with its stock: then it has no gap any more, and is refused."""
    along = difference("stream", "one", "a gap", "stock:one")
    stays = [difference("level", "two", "held", None), difference("stream", "two", "gone", "two")]
    answers = iter([[difference("level", "one", "off"), along, *stays], stays])

    def send(_: Any, method: str, path: str, body: dict[str, Any], **more: Any) -> Answer:
        name = body.get("stream") or body["productId"]
        if name == "one":
            return Answer(200, {"kind": "repair-stock"})
        raise CommandError("", REFUSED, {"detail": f"Not valid: {name}."})

    monkeypatch.setattr("web.cli_repair.differences", lambda _: next(answers))
    monkeypatch.setattr(Api, "send", send)
    monkeypatch.setenv("PMS_API_KEY", KEY)
    told = pms("repair", *(["--json"] if as_json else []))
    assert told.exit_code == 1
    if as_json:
        failed = [
            {n: v for n, v in one.items() if n != "problem"}
            for one in json.loads(told.stdout)["failed"]
        ]
        assert failed == [{"productId": "two"}, {"stream": "two"}]
    else:
        refusals = [line for line in told.output.splitlines() if "Not valid" in line]
        assert refusals == ["  → Not valid: two.", "  → Not valid: two."]


def test_what_is_left_of_a_repair_is_counted_by_what_it_is_about(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its numbers may be others than before, and a new difference may have come."""
    found = [difference("level", name, "before") for name in ("one", "two")]
    left = [difference("level", "two", "after"), difference("stream", "two", "new")]
    answers = iter([found, left])
    monkeypatch.setattr("web.cli_repair.differences", lambda _: next(answers))
    monkeypatch.setattr(Api, "send", lambda *_, **__: Answer(200, {}))
    monkeypatch.setenv("PMS_API_KEY", KEY)
    told = pms("repair")
    assert told.exit_code == 1
    assert told.output.splitlines() == [
        "✓ level  one: before",
        "✗ level  two: before",
        "✗ stream  two: new",
        "1 mended, 2 left.",
    ]
