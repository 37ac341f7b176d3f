"""Settings: what they become, and what a wrong one is answered with."""

import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from web.cli import main
from web.cli_settings import WrongSettingsError, read_settings, without_password
from web.settings import WebSettings
from workers.data_dir import default_data_dir
from workers.programs import PROGRAMS
from workers.settings import DataSettings, WorkerSettings, redis_url

_ALL = {*WebSettings.model_fields, *WorkerSettings.model_fields, *DataSettings.model_fields}


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


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("PORT", "eighty", "unset it for 8000"),
        ("PORT", "70000", "unset it for 8000"),
        ("DATABASE_URL", "mysql://db/shop", "must begin with postgresql://"),
        ("REDIS_URL", "http://cache", "must begin with redis://"),
        ("SHOP_TIMEZONE", "Mars/Base", "such as Europe/Berlin"),
        ("SHOP_CURRENCY", "euro", "unset it for USD"),
        ("RATE_LIMIT_API", "often", "such as 100/minute"),
        ("RATE_LIMIT_WS", "often", "such as 100/minute"),
        ("IDEMPOTENCY_TTL", "-1", "unset it for 86400"),
        ("WS_CONNECTIONS_PER_CLIENT", "0", "unset it for 50"),
    ],
)
def test_a_wrong_setting_is_answered_with_one_line(name: str, value: str, expected: str) -> None:
    result = pms("up", **{name: value})
    assert result.exit_code == 2
    assert result.output.count("\n") == 1
    assert result.output.startswith(f"pms: {name}={value}: ")
    assert expected in result.output


def test_every_wrong_setting_has_its_line() -> None:
    result = pms("up", PORT="eighty", SHOP_TIMEZONE="Mars/Base")
    assert result.exit_code == 2
    assert [line.split("=")[0] for line in result.output.splitlines()] == [
        "pms: PORT",
        "pms: SHOP_TIMEZONE",
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PMS_API_KEY", "hush"),
        ("DATABASE_URL", "mysql://me:hush@db/shop"),
        ("REDIS_URL", "http://me:hush@cache"),
    ],
)
def test_secrets_are_not_shown(name: str, value: str) -> None:
    result = pms("up", **{name: value})
    assert result.exit_code == 2
    assert name in result.output
    assert "hush" not in result.output


@pytest.mark.parametrize("command", ["migrate", "web"])
def test_commands_without_embedded_servers_say_so(command: str) -> None:
    result = pms(command)
    assert result.exit_code == 2
    assert "pms: DATABASE_URL is not set" in result.output


def test_a_database_that_is_away_is_named() -> None:
    result = pms("up", DATABASE_URL="postgresql://me:hush@127.0.0.1:1/shop", PORT="28999")
    assert result.exit_code == 1
    assert result.output.startswith("pms: DATABASE_URL=postgresql://me:…@127.0.0.1:1/shop: ")
    assert "hush" not in result.output


def test_a_redis_that_is_away_is_named() -> None:
    result = pms("up", REDIS_URL="redis://:hush@127.0.0.1:1/0", PORT="28999")
    assert result.exit_code == 1
    assert result.output.startswith("pms: REDIS_URL=redis://")
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
