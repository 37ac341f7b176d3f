"""The data folder of one machine: who may use it, and the ports and passwords kept in it."""

import errno
import fcntl
import os
import pwd
import random
import secrets
import socket
import stat
from collections.abc import Callable
from pathlib import Path

# Below the range from which systems take the ports of outgoing connections, so that a kept
# port is still free after a restart.
_PORTS = range(15_000, 30_000)


class StartupError(Exception):
    """Why a server or the system cannot start: one line for the operator, with the remedy."""


def default_data_dir() -> Path:
    """Where data lies when ``PMS_DATA_DIR`` says nothing.

    Root's own home is closed to ``nobody``, as whom PostgreSQL runs then: hence ``/var/lib``.

    Raises:
        StartupError: this user has no home.
    """
    if os.geteuid() == 0:
        return Path("/var/lib/backend-pms")
    base = os.environ.get("XDG_DATA_HOME", "")
    if base.startswith("/"):
        return Path(base) / "backend-pms"
    try:
        return Path.home() / ".local/share/backend-pms"
    except RuntimeError:
        raise StartupError("this user has no home: say in PMS_DATA_DIR where data goes") from None


class DataDir:
    """A data folder held by one supervisor at a time.

    Args:
        path: the folder; made if it is missing.

    Raises:
        StartupError: it cannot be made or written, or another supervisor holds it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        make_folder(self.path)
        self._lock = self._take_lock()

    def _take_lock(self) -> int:
        # Closed on exec, so that no child holds the lock on after this process has died.
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip()
            os.close(descriptor)
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise StartupError(f"{self.path} cannot be locked: {error.strerror}") from None
            raise StartupError(
                f"PMS_DATA_DIR={self.path} is in use by another pms"
                f"{f' (process {holder})' if holder else ''}: stop that one, or choose "
                "another folder (and another PORT)"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return descriptor

    def secret(self, name: str, make: Callable[[], str] = secrets.token_hex) -> str:
        """The secret kept under ``name``, made on first use."""
        return kept_secret(self.path / name, make)

    def release(self) -> None:
        """Let another supervisor have the folder."""
        os.close(self._lock)


def make_folder(path: Path) -> None:
    """Make a private folder, with the parents that are missing, that we can write.

    Under root it can be passed through by ``nobody``, but not listed.

    Raises:
        StartupError: it cannot be made or written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, exist_ok=True)
        probe = path / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise StartupError(
            f"PMS_DATA_DIR: {path} cannot be written ({error.strerror}): "
            "choose a folder that you own, or correct its permissions"
        ) from None


def closed_parent(path: Path, account: pwd.struct_passwd) -> Path | None:
    """The first folder on the way to ``path``, or ``path``, through which ``account`` cannot."""
    for folder in [*reversed(path.parents), path]:
        about = folder.stat()
        if about.st_uid == account.pw_uid:
            needed = stat.S_IXUSR
        elif about.st_gid == account.pw_gid:
            needed = stat.S_IXGRP
        else:
            needed = stat.S_IXOTH
        if not about.st_mode & needed:
            return folder
    return None


def kept_secret(path: Path, make: Callable[[], str] = secrets.token_hex) -> str:
    """The secret in a file that only its owner can read, made on first use.

    Raises:
        StartupError: the file cannot be read or written.
    """
    try:
        if path.exists() and (kept := path.read_text().strip()):
            path.chmod(0o600)
            return kept
        fresh = make()
        write_private(path, fresh + "\n")
    except (OSError, UnicodeDecodeError) as error:
        raise StartupError(f"the secret in {path} cannot be kept: {error}") from None
    return fresh


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read; it is there whole or not at all."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def kept_port(path: Path) -> int:
    """The port in the file ``path``, or another, kept there from now on, if that is taken."""
    try:
        port = int(path.read_text())
    except (OSError, ValueError):
        port = 0
    if port not in range(1024, 65_536) or not _is_free(port):
        port = _free_port()
        write_private(path, f"{port}\n")
    return port


def _free_port() -> int:
    for port in random.sample(_PORTS, k=200):
        if _is_free(port):
            return port
    raise StartupError("no free port was found on 127.0.0.1")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the servers do themselves; connections that are just closing do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
