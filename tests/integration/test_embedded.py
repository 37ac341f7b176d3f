"""The embedded servers: begin, come back with their data, and say clearly why they cannot."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
import redis

from tests.servers import FAST, reachable_folder, runs, wait_until
from workers import embedded_postgres
from workers.data_dir import kept_port
from workers.embedded import DataDir, EmbeddedPostgres, EmbeddedValkey, StartupError

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="is about root")
only_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux can do this")


@pytest.fixture(scope="module")
def template() -> Iterator[Path]:
    """A data folder with a PostgreSQL that has been made, and stopped."""
    folder = reachable_folder()
    server = EmbeddedPostgres(folder, FAST)
    server.start()
    server.stop()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def folder(template: Path) -> Iterator[Path]:
    """A data folder of the test's own, with a PostgreSQL in it."""
    copy = reachable_folder()
    shutil.rmtree(copy)
    shutil.copytree(template, copy)
    for place, _, files in os.walk(template):
        for name in (place, *(f"{place}/{file}" for file in files)):
            there = os.stat(name)
            os.chown(copy / Path(name).relative_to(template), there.st_uid, there.st_gid)
    yield copy
    shutil.rmtree(copy)


@pytest.fixture
def empty() -> Iterator[Path]:
    """A new data folder."""
    fresh = reachable_folder()
    yield fresh
    shutil.rmtree(fresh)


@pytest.fixture
def postgres(folder: Path) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL that has not been started."""
    server = EmbeddedPostgres(folder, FAST)
    yield server
    server.stop()


@pytest.fixture
def valkey(empty: Path) -> Iterator[EmbeddedValkey]:
    """A Valkey that has not been started."""
    server = EmbeddedValkey(empty)
    yield server
    server.stop()


def ask(url: str, statement: str) -> list[tuple[object, ...]]:
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def test_a_new_postgres_is_independent_of_the_machine(
    empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("PGDATA", "/nowhere"), ("PGPORT", "1"), ("LC_ALL", "xx_XX")):
        monkeypatch.setenv(name, value)
    server = EmbeddedPostgres(empty, FAST)
    url = server.start()
    try:
        assert re.fullmatch(r"postgresql://app:\w{64}@127\.0\.0\.1:\d+/pms", url)
        found = ask(
            url,
            "SELECT datcollate, datlocale, current_setting('server_encoding'),"
            " current_setting('TimeZone') FROM pg_database WHERE datname = 'pms'",
        )
        assert found == [("C", "C.UTF-8", "UTF8", "UTC")]
    finally:
        server.stop()
    assert not server.alive
    for private in ("postgres/password", "postgres/port", "postgres/postgres.log"):
        assert (empty / private).stat().st_mode & 0o777 == 0o600
    assert not (empty / "postgres/initdb-password").exists()


def test_a_wrong_password_is_refused(postgres: EmbeddedPostgres) -> None:
    url = postgres.start()
    with pytest.raises(psycopg2.OperationalError, match="password"):
        ask(url.replace(postgres.password, "guessed"), "SELECT 1")


def test_a_killed_postgres_comes_back_with_its_data(postgres: EmbeddedPostgres) -> None:
    url = postgres.start()
    ask(url, "CREATE TABLE kept AS SELECT 1 AS one")
    os.kill(postgres.pid, signal.SIGKILL)
    assert postgres.start() == url
    assert ask(url, "SELECT one FROM kept") == [(1,)]


def test_a_killed_valkey_comes_back_with_its_data(valkey: EmbeddedValkey) -> None:
    url = valkey.start()
    assert re.fullmatch(r"redis://default:\w{64}@127\.0\.0\.1:\d+/0", url)
    redis.Redis.from_url(url).set("kept", "one")
    os.kill(valkey.pid, signal.SIGKILL)
    assert valkey.start() == url
    assert redis.Redis.from_url(url).get("kept") == b"one"
    assert (valkey.folder / "valkey.conf").stat().st_mode & 0o777 == 0o600


@pytest.fixture
def open_handed() -> Iterator[None]:
    """New files are anybody's to read, unless their maker sees to it."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_handed")
def test_what_the_servers_keep_is_their_owners_alone(
    empty: Path, postgres: EmbeddedPostgres, valkey: EmbeddedValkey
) -> None:
    held = DataDir(empty)
    held.secret("admin-key")
    ask(postgres.start(), "CREATE TABLE kept AS SELECT 1 AS one")
    ask(postgres.url, "CHECKPOINT")
    client = redis.Redis.from_url(valkey.start())
    client.set("kept", "one")
    client.save()
    wait_until(lambda: list(empty.rglob("*.rdb")))
    names = {path.name for path in [*empty.rglob("*"), *postgres.folder.rglob("*")]}
    assert {"admin-key", "lock", "port", "password", "valkey.conf", "valkey.log"} <= names
    assert {"dump.rdb", "appendonlydir", "postgres.log", "pg_wal", "PG_VERSION"} <= names
    for top in (empty / "admin-key", empty / "lock", valkey.folder, postgres.folder):
        for path in [top, *top.rglob("*")]:
            if path.relative_to(top).parts[:1] and "programs-" in path.relative_to(top).parts[0]:
                continue  # what anybody can install
            # Under root, PostgreSQL's own user has to pass through, which shows it nothing.
            passing = 0o011 if os.geteuid() == 0 and path == top and path.is_dir() else 0
            assert path.lstat().st_mode & 0o077 & ~passing == 0, path
    assert not [path for path in empty.rglob("*") if path.is_socket()]
    held.release()


def test_valkey_wants_its_password(valkey: EmbeddedValkey) -> None:
    valkey.start()
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=valkey.port).ping()


def test_restart_keeps_the_port_and_does_not_wait(valkey: EmbeddedValkey) -> None:
    url = valkey.start()
    os.kill(valkey.pid, signal.SIGKILL)
    wait_until(lambda: not valkey.alive)
    valkey.restart()

    def serves() -> bool:
        try:
            return bool(redis.Redis.from_url(url).ping())
        except redis.RedisError:
            return False

    wait_until(serves)


def test_a_port_that_another_took_is_chosen_anew(postgres: EmbeddedPostgres) -> None:
    port_file = postgres.folder / "port"
    before = int(port_file.read_text())
    with socket.create_server(("127.0.0.1", before)):
        url = postgres.start()
    assert f":{before}/" not in url
    assert f":{port_file.read_text().strip()}/" in url
    assert ask(url, "SELECT 1") == [(1,)]


def test_a_port_file_of_nonsense_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "port").write_text("seventy")
    assert kept_port(tmp_path / "port") == int((tmp_path / "port").read_text())


def test_an_orphaned_postgres_is_ended_first(folder: Path, postgres: EmbeddedPostgres) -> None:
    orphan = EmbeddedPostgres(folder, FAST)
    ask(orphan.start(), "CREATE TABLE kept AS SELECT 1 AS one")
    url = postgres.start()
    assert not orphan.alive
    assert ask(url, "SELECT one FROM kept") == [(1,)]


def test_an_orphaned_valkey_is_ended_first(empty: Path, valkey: EmbeddedValkey) -> None:
    orphan = EmbeddedValkey(empty)
    orphan.start()
    valkey.start()
    assert not orphan.alive
    assert valkey.alive


def test_a_stale_pid_file_is_no_hindrance(postgres: EmbeddedPostgres) -> None:
    stale = postgres.folder / "data/postmaster.pid"
    stale.write_text(f"{os.getpid()}\n{postgres.folder / 'data'}\n1\n1\n\n127.0.0.1\n 1 1\nready\n")
    assert ask(postgres.start(), "SELECT 1") == [(1,)]


def test_an_interrupted_initdb_is_begun_again(empty: Path) -> None:
    half = empty / "postgres/data.new"
    half.mkdir(parents=True)
    (half.parent).chmod(0o711)
    (half / "PG_VERSION").write_text("18\n")
    server = EmbeddedPostgres(empty, FAST)
    assert ask(server.start(), "SELECT 1") == [(1,)]
    server.stop()


def test_data_of_another_version_is_left_alone(postgres: EmbeddedPostgres) -> None:
    version = postgres.folder / "data/PG_VERSION"
    version.write_text("15\n")
    with pytest.raises(StartupError, match=r"PMS_DATA_DIR.*PostgreSQL 15.*PostgreSQL 18.*pg_dump"):
        postgres.start()


def test_the_reason_of_a_failed_start_is_told(folder: Path) -> None:
    server = EmbeddedPostgres(folder, {"shared_buffers": "plenty"})
    with pytest.raises(StartupError, match=r"shared_buffers.*DATABASE_URL"):
        server.start()


@only_root
def test_a_folder_closed_to_nobody_is_named(empty: Path) -> None:
    empty.chmod(0o700)
    with pytest.raises(StartupError, match=f"nobody, who cannot enter {empty}:"):
        EmbeddedPostgres(empty).start()


@only_root
def test_under_root_postgres_runs_as_nobody(postgres: EmbeddedPostgres) -> None:
    postgres.start()
    assert Path(f"/proc/{postgres.pid}").owner() == "nobody"


@only_root
def test_programs_that_nobody_can_reach_are_copied(
    postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = embedded_postgres.package_folder("embedded_postgres")
    tmp_path.chmod(0o700)
    for name in (real.name, f"{real.name}.libs"):
        (tmp_path / name).symlink_to(real.with_name(name))
    monkeypatch.setattr(embedded_postgres, "package_folder", lambda name: tmp_path / name)
    assert ask(postgres.start(), "SELECT 1") == [(1,)]
    assert (next(postgres.folder.glob("programs-*")) / real.name).is_dir()


def test_a_folder_in_use_is_refused(empty: Path) -> None:
    first = DataDir(empty)
    with pytest.raises(StartupError, match=rf"PMS_DATA_DIR={empty} is in use.*{os.getpid()}"):
        DataDir(empty)
    first.release()
    DataDir(empty).release()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StartupError, match=r"PMS_DATA_DIR: .*file/data cannot be written"):
        DataDir(tmp_path / "file/data")


def test_a_secret_is_made_once_and_private(empty: Path) -> None:
    held = DataDir(empty)
    secret = held.secret("admin-key")
    assert held.secret("admin-key") == secret
    assert (empty / "admin-key").stat().st_mode & 0o777 == 0o600
    held.release()


_OWNER = """
import signal, sys
from pathlib import Path
from workers.embedded import EmbeddedPostgres, EmbeddedValkey
servers = [EmbeddedPostgres(Path(sys.argv[1])), EmbeddedValkey(Path(sys.argv[1]))]
for server in servers:
    server.start()
print(*(server.pid for server in servers), flush=True)
signal.pause()
"""


@only_linux
def test_servers_end_when_their_owner_is_killed(folder: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _OWNER, str(folder)], stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        pids = [int(word) for word in owner.stdout.readline().split()]
        assert len(pids) == 2
        assert all(runs(pid) for pid in pids)
        owner.kill()
    wait_until(lambda: not any(runs(pid) for pid in pids))
