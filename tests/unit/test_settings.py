"""Settings: what they become, and what a wrong one is answered with."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from db.environment import without_password
from db.settings import DatabaseSettings
from web.cli import main
from web.cli_settings import WrongSettingsError, read_settings
from web.settings import WebSettings
from workers.data_dir import default_data_dir
from workers.programs import PROGRAMS
from workers.settings import DataSettings, WorkerSettings, redis_url

SECRET = "hush-hush-hush"
# Values that are refused, and a part of the line that says why or what helps.
REFUSED: dict[str, dict[str, str]] = {
    "DATABASE_URL": {
        "shop": "must begin with postgresql://",
        f"mysql://me:{SECRET}@db/shop": "must begin with postgresql://",
        "postgresql://db:port/shop": "a port is a number",
        "postgresql://db:0/shop": "a port is a number",
        "postgresql://db:99999/shop": "a port is a number",
        "postgresql://one:5432,two:5432/shop": "of one host",
        "postgresql://db/shop?sslmod=require": 'parameter: "sslmod"',
        f"postgresql://me:{SECRET}/@db/shop": "written as %XX",
        f"postgresql://me:{SECRET}#@db/shop": "written as %XX",
        f"postgresql://me:{SECRET}?@db/shop": "written as %XX",
        f"postgresql://me:{SECRET}@@db/shop": "written as %XX",
        f"postgresql://me:{SECRET}%zz@db/shop": "written as %XX",
        f"postgresql://me:{SECRET}": "written as %XX",
        "postgresql://db/sh\nop": "correct it",
    },
    "DATABASE_POOL_SIZE": {"0": "unset it for 20", "many": "integer", "1001": "unset it for 20"},
    "REDIS_URL": {
        "cache": "must begin with redis://",
        f"http://me:{SECRET}@cache": "must begin with redis://",
        "redis://": "then a host",
        "redis://cache:port": "a port is a number",
        "redis://cache:0": "a port is a number",
        "redis://cache/zero": "the number of a database",
        "redis://cache/0/1": "the number of a database",
        "redis://cache?db=1": "option that is not known, 'db'",
        "redis://[": "correct it",
        "rediss://cache?ssl_cert_reqs=maybe": "none, optional or required",
        f"redis://:{SECRET}#@cache/0": "correct it",
        f"redis://:{SECRET}/@cache/0": "correct it",
    },
    "REDIS_TOKEN": {
        SECRET: "REDIS_URL, which is not set: set that one too; correct it, or unset it"
    },
    "HOST": {"my host": "such as 127.0.0.1", "http://x": "such as 127.0.0.1"},
    "PORT": {"eighty": "unset it for 8000", "0": "8000", "70000": "8000", "80.5": "8000"},
    "PMS_API_KEY": {
        SECRET: "must be 16 to 200 visible",
        SECRET * 20: "must be 16 to 200 visible",
        f"{SECRET} {SECRET}": "visible ASCII",
        f"{SECRET}é{SECRET}": "visible ASCII",
    },
    "PMS_DATA_DIR": {"~nobody-of-this-name/pms": "no such user"},
    "SHOP_TIMEZONE": {"Mars/Base": "such as Europe/Berlin", "localtime": "such as Europe/Berlin"},
    "SHOP_CURRENCY": {"euro": "unset it for USD", "eur": "EUR", "€": "EUR"},
    "IDEMPOTENCY_TTL": {
        "-1": "unset it for 86400",
        "0": "86400",
        "day": "86400",
        "9" * 30: "86400",
    },
    "EVENT_RETENTION_DAYS": {"0": "unset it for 7", "a week": "7", "9" * 30: "7"},
    "RATE_LIMIT_API": {
        "often": "such as 100/minute",
        "0/minute": "unset it for 100/minute",
        "-5/minute": "such as 100/minute",
        "5/minute;9/hour": "such as 100/minute",
        "9" * 30 + "/minute": "out of range",
    },
    "RATE_LIMIT_WS": {"often": "such as 100/minute", "0/minute": "unset it for 1000/minute"},
    "WS_CONNECTIONS_PER_CLIENT": {"0": "unset it for 50", "few": "50", "9" * 30: "50"},
    "CORS_ORIGINS": {
        "*": "such as https://shop.example",
        "shop.example": "such as https://shop.example",
        "https://shop.example/": "such as https://shop.example",
        "https://shop.example:port": "such as https://shop.example",
        f"https://me:{SECRET}@shop.example": "such as https://shop.example",
        "https://one.example,two": "'two' is no origin",
        "https://Shop.example": "small letters",
        "https://shop.example:443": "without the scheme's own port",
        "http://shop.example:80": "without the scheme's own port",
        "https://shop.example:0443": "without the scheme's own port",
        "https://shop.example:": "without the scheme's own port",
        "https://mütze.example": "as browsers send it",
    },
    "MAX_BODY_BYTES": {"1": "unset it for 1048576", "all": "1048576", "9" * 30: "1048576"},
    "MAX_BULK_BYTES": {"1": "unset it for 67108864", "all": "67108864", "9" * 30: "67108864"},
    "LOG_FORMAT": {"xml": "'color' or 'json'"},
}
_HIDDEN = {"REDIS_TOKEN", "PMS_API_KEY"}
_ROWS = [(name, value, part) for name, rows in REFUSED.items() for value, part in rows.items()]
_ALL = {*WebSettings.model_fields, *WorkerSettings.model_fields, *DataSettings.model_fields}
_ALL |= {*DatabaseSettings.model_fields}


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting is made."""
    for name in _ALL:
        monkeypatch.delenv(name.upper(), raising=False)


def pms(*arguments: str, **env: str) -> Result:
    return CliRunner().invoke(main, arguments, env=env)


def test_without_any_setting_the_embedded_servers_are_used() -> None:
    settings = read_settings()
    assert (settings.database_url, settings.redis_url) == (None, None)
    assert (settings.web.host, settings.web.port) == ("127.0.0.1", 8000)
    assert settings.data_dir == default_data_dir()


def test_what_is_not_set_is_what_most_shops_want() -> None:
    web, worker = read_settings().web, WorkerSettings(redis_url="redis://cache")
    assert (web.rate_limit_api, web.rate_limit_ws) == ("100/minute", "1000/minute")
    assert (web.ws_connections_per_client, web.cors_origins, web.pms_api_key) == (50, [], None)
    assert (web.shop_currency, worker.shop_timezone) == ("USD", "UTC")
    assert worker.idempotency_ttl == 24 * 60 * 60


def test_origins_are_those_that_browsers_send(monkeypatch: pytest.MonkeyPatch) -> None:
    given = "https://shop.example, http://shop.example:8080,https://[::1]:8443,http://[::1]"
    monkeypatch.setenv("CORS_ORIGINS", given)
    assert read_settings().web.cors_origins == [one.strip() for one in given.split(",")]


def test_given_servers_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://me:secret@db/shop")
    monkeypatch.setenv("REDIS_URL", "https://cache.example")
    monkeypatch.setenv("REDIS_TOKEN", "to/kn")
    settings = read_settings()
    assert settings.database_url == "postgresql+psycopg2://me:secret@db/shop"
    assert settings.redis_url is not None
    assert settings.redis_url.startswith("rediss://default:to%2Fkn@cache.example:6379")
    assert "secret" not in repr(settings)
    assert "to%2Fkn" not in repr(settings)


def test_an_empty_setting_is_an_unset_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "")
    monkeypatch.setenv("PORT", "")
    settings = read_settings()
    assert settings.database_url is None
    assert settings.web.port == 8000


def check_line(line: str, name: str, value: str, part: str) -> None:
    """One line that names the setting, its value unless that is secret, and what helps."""
    assert line.startswith(f"pms: {name}")
    assert SECRET not in line
    assert part in line
    assert line.isprintable()
    shown = ", whose value is not shown: " if name in _HIDDEN else "="
    assert line.startswith(f"pms: {name}{shown}")
    assert "; correct it" in line
    if name not in _HIDDEN and value.isalnum() and name != "CORS_ORIGINS":
        assert line.startswith(f"pms: {name}={value}: ")


@pytest.mark.parametrize(("name", "value", "part"), _ROWS)
@pytest.mark.parametrize("command", ["up", "migrate"])
def test_a_wrong_setting_is_answered_with_one_line(
    command: str, name: str, value: str, part: str
) -> None:
    others = {"DATABASE_URL": "postgresql://db/shop"} if command == "migrate" else {}
    result = pms(command, **{**others, name: value})
    assert result.exit_code == 2
    (line,) = result.output.splitlines()
    check_line(line, name, value, part)


def test_every_setting_of_the_table_is_tried() -> None:
    text = (Path(__file__).parents[2] / "README.md").read_text()
    table = text.partition("## Settings")[2].partition("\n## ")[0]
    written = {
        name
        for row in re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE)
        for name in re.findall("`([A-Z_]+)`", row)
    }
    assert written == REFUSED.keys() == {name.upper() for name in _ALL}


_WEB = ("-m", "web.server")
_WORKER = ("-m", "celery", "-q", "-A", "workers.app", "worker")
_BEAT = ("-m", "celery", "-q", "-A", "workers.app", "beat")


@pytest.mark.parametrize("command", [_WEB, _WORKER, _BEAT], ids=["web", "worker", "beat"])
def test_processes_refuse_it_in_one_line_too(command: tuple[str, ...]) -> None:
    wrong = {
        "DATABASE_URL": f"mysql://me:{SECRET}@db/shop",
        "REDIS_URL": f"http://me:{SECRET}@cache",
        "SHOP_TIMEZONE": "Mars/Base",
    }
    if command == _WEB:
        wrong |= {"PORT": "eighty", "PMS_API_KEY": SECRET}
    good = {
        "DATABASE_URL": "postgresql://127.0.0.1:1/shop",
        "REDIS_URL": "redis://127.0.0.1:1/0",
    }
    running = {
        name: subprocess.Popen(
            [sys.executable, *command],
            env={"PATH": os.defpath, **good, name: value},
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for name, value in wrong.items()
    }
    for name, process in running.items():
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 2, said
        (line,) = said.splitlines()
        check_line(line, name, wrong[name], "")


def test_every_wrong_setting_has_its_line() -> None:
    result = pms("up", PORT="eighty", SHOP_TIMEZONE="Mars/Base")
    assert result.exit_code == 2
    assert [line.split("=")[0] for line in result.output.splitlines()] == [
        "pms: PORT",
        "pms: SHOP_TIMEZONE",
    ]


@pytest.mark.parametrize("command", ["migrate", "web"])
def test_commands_without_embedded_servers_say_so(command: str) -> None:
    result = pms(command)
    assert result.exit_code == 2
    assert "pms: DATABASE_URL is not set" in result.output


def test_a_database_that_is_away_is_named() -> None:
    result = pms("up", DATABASE_URL="postgresql://me:hush@127.0.0.1:1/shop", PORT="28999")
    assert result.exit_code == 1
    assert result.output.startswith("pms: DATABASE_URL=postgresql://me:…@127.0.0.1:1/shop: ")
    assert result.output.endswith("; start it, or correct DATABASE_URL\n")
    assert result.output.count("\n") == 1
    assert "hush" not in result.output


def test_a_host_of_another_machine_is_named() -> None:
    # Kept for documents (RFC 5737): no machine has it.
    result = pms("up", HOST="192.0.2.1", PORT="28999")
    assert (result.exit_code, result.output.count("\n")) == (2, 1)
    assert result.output.startswith("pms: HOST=192.0.2.1: is no address of this machine; ")


def test_a_redis_that_is_away_is_named() -> None:
    result = pms("up", REDIS_URL="redis://:hush@127.0.0.1:1/0", PORT="28999")
    assert result.exit_code == 1
    assert result.output.startswith("pms: REDIS_URL=redis://")
    assert result.output.endswith("; start it, or correct REDIS_URL or REDIS_TOKEN\n")
    assert result.output.count("\n") == 1
    assert "hush" not in result.output


def test_required_settings_are_asked_for() -> None:
    with pytest.raises(WrongSettingsError, match="REDIS_URL is not set"):
        read_settings(required=("redis_url",))


@pytest.mark.parametrize(
    ("given", "token", "becomes"),
    [
        ("redis://cache:6379/1", None, "redis://cache:6379/1"),
        ("redis://cache", "s/t", "redis://default:s%2Ft@cache"),
        ("redis://:own@cache", "other", "redis://:own@cache"),
        ("rediss://cache", None, "rediss://cache?ssl_cert_reqs=required"),
        ("https://me:pw@cache", None, "rediss://default:pw@cache:6379?ssl_cert_reqs=required"),
    ],
)
def test_redis_urls_as_operators_have_them(given: str, token: str | None, becomes: str) -> None:
    assert redis_url(given, token) == becomes


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:pw@db:1/x", "postgresql://me:…@db:1/x"),
        ("redis://:p%40w@cache", "redis://:…@cache"),
        ("postgresql://db/x?user=me&password=pw", "postgresql://db/x?user=me&password=…"),
        ("eighty", "eighty"),
    ],
)
def test_urls_are_shown_without_passwords(text: str, shown: str) -> None:
    assert without_password(text) == shown


def test_data_lies_where_the_system_keeps_such_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert default_data_dir() == Path("/var/lib/backend-pms")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert default_data_dir() == Path("/data/backend-pms")
    monkeypatch.setenv("XDG_DATA_HOME", "not/absolute")
    assert default_data_dir() == Path.home() / ".local/share/backend-pms"


def test_the_procfile_starts_what_the_supervisor_starts() -> None:
    lines = (Path(__file__).parents[2] / "Procfile").read_text().splitlines()
    written = dict(line.split(": ", 1) for line in lines)
    assert written.pop("release") == "pms migrate"
    assert written.pop("web") == "pms web"
    assert {name: tuple(shlex.split(command)) for name, command in written.items()} == {
        program.name: program.arguments for program in PROGRAMS if program.name != "web"
    }
