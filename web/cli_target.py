"""Which service a command speaks to, and with which key: found without being told, if it can be."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import wraps
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click

from web.cli_errors import USAGE, CommandError
from web.cli_output import json_option
from web.cli_settings import Settings, read_settings
from workers.data_dir import StartupError
from workers.embedded_server import EmbeddedServer

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Target:
    """A service.

    Attributes:
        url: where it is, without a slash at the end.
        secret: the API key; None if there is none to be found.
        origin: where the key is from, or why there is none, for messages.
        is_kept: whether it is the one that `pms up` keeps.
    """

    url: str
    secret: str | None = field(repr=False)
    origin: str
    is_kept: bool = False

    @property
    def is_local(self) -> bool:
        """Whether it runs on this machine."""
        return is_local(self.url)

    def key(self) -> str:
        """The API key.

        Raises:
            CommandError: there is none.
        """
        if self.secret is None:
            raise CommandError(
                f"no API key: {self.origin}; set PMS_API_KEY, or name a file that holds one "
                "with --key-file",
                USAGE,
            )
        return self.secret

    def refusal(self, scope: str) -> str:
        """What to tell when the service refuses the key.

        Args:
            scope: what another one would need.
        """
        remedy = f"`pms keys create NAME --scope {scope}` makes another"
        if self.is_kept:
            # Another one would have to be named each time.
            remedy = "put its successor into that file, or remove it and start `pms up` again"
        return (
            f"{self.url} refuses the key from {self.origin}: it is unknown, revoked or expired; "
            f"{remedy}"
        )


def find_target(url: str | None = None, key_file: Path | None = None) -> Target:
    """The service that is meant.

    Args:
        url: where it is; else ``HOST`` and ``PORT`` say it, or the data folder of `pms up`.
        key_file: holds the key; else ``PMS_API_KEY`` or the data folder of `pms up` does.

    Raises:
        CommandError: the URL is none, or the file cannot be read.
        web.cli_settings.WrongSettingsError: a setting is wrong.
    """
    if url is not None:
        url = _checked(url)
        if key_file is not None:
            return Target(url, read_key(key_file), str(key_file))
    settings = read_settings()
    if url is None:
        url = _own_address(settings)
    if key_file is not None:
        return Target(url, read_key(key_file), str(key_file))
    if settings.web.pms_api_key:
        return Target(url, settings.web.pms_api_key, "PMS_API_KEY")
    if not is_local(url):
        # It opens this machine's own shop: no other one is to see it.
        return Target(url, None, f"the data folder's is not sent to another machine ({url})")
    kept = settings.data_dir.expanduser().absolute() / "admin-key"
    try:
        return Target(url, kept.read_text().strip() or None, str(kept), is_kept=True)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        return Target(url, None, f"{kept}, where `pms up` keeps one, cannot be read ({reason})")


def _own_address(settings: Settings) -> str:
    """Where `pms up` runs on this machine: as ``HOST`` or ``PORT`` say, or as it has noted."""
    if not {"host", "port"} & settings.web.model_fields_set:
        noted = settings.data_dir.expanduser().absolute() / "address"
        with suppress(OSError, UnicodeDecodeError, CommandError):
            return _checked(noted.read_text().strip())
    return settings.address


def running_url(server: EmbeddedServer) -> str:
    """Where a server that `pms up` keeps running in this data folder is found.

    Raises:
        StartupError: there is none.
    """
    try:
        server.port = int((server.folder / "port").read_text())
        server.password = (server.folder / "password").read_text().strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "its port is unknown"
        raise StartupError(
            f"{server.setting} is not set, and no {server.name} is to be found in "
            f"{server.folder.parent} ({reason}): start `pms up`, or set {server.setting} or "
            "PMS_DATA_DIR"
        ) from None
    return server.url


def read_key(path: Path) -> str:
    """The key in a file.

    Raises:
        CommandError: it cannot be read, or holds no key.
    """
    try:
        secret = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise CommandError(f"--key-file {path}: cannot be read ({reason})", USAGE) from None
    if not secret or len(secret.split()) != 1 or not secret.isascii() or not secret.isprintable():
        raise CommandError(f"--key-file {path}: holds no key; it must be one word alone", USAGE)
    return secret


def is_local(url: str) -> bool:
    """Whether a URL leads to this machine by its loopback."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        wrong = parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0
    except ValueError:
        wrong = True
    if wrong:
        raise CommandError(
            f"--url {url}: is no address such as http://127.0.0.1:8000 or https://shop.example",
            USAGE,
        )
    if parts.username or parts.query or parts.fragment:
        raise CommandError("--url: give the address alone; keys go into --key-file", USAGE)
    return url.rstrip("/")


def at_service(command: F) -> F:
    """Give a command the options that say which service it speaks to.

    It gets ``target`` and ``as_json``.
    """

    @click.option("--url", metavar="URL", help="Where the service is (else HOST and PORT say it).")
    @click.option(
        "--key-file",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="Holds the API key (else PMS_API_KEY, else what `pms up` keeps on this machine).",
    )
    @json_option
    @wraps(command)
    def run(*args: Any, url: str | None, key_file: Path | None, **more: Any) -> Any:
        return command(*args, target=find_target(url, key_file), **more)

    return run  # type: ignore[return-value]
