"""The command line's look at the settings: all checked before anything starts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from db.environment import Kind, WrongSettingsError, read
from db.settings import DatabaseSettings
from web.settings import WebSettings
from workers.data_dir import default_data_dir
from workers.settings import DataSettings, WorkerSettings


@dataclass(frozen=True)
class Settings:
    """What ``pms`` needs to know of the settings.

    Args:
        web: where to listen, and the first admin key.
        database_url: None if the embedded PostgreSQL is to be used.
        redis_url: None if the embedded Valkey is to be used; otherwise with its password.
        data_dir: where the embedded servers keep their data.
        log_format: ``text``, or ``json`` for machines.
    """

    web: WebSettings
    database_url: str | None = field(repr=False)
    redis_url: str | None = field(repr=False)
    data_dir: Path
    log_format: str = "text"

    @property
    def address(self) -> str:
        """Where this machine reaches the web process."""
        host = reachable(self.web.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.web.port}"


def reachable(host: str) -> str:
    """An address under which this machine reaches what listens on ``host``."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104


def read_settings(required: Sequence[str] = ()) -> Settings:
    """Read and check every setting of every package.

    Args:
        required: ``database_url``, ``redis_url``: what no embedded server stands in for.

    Raises:
        WrongSettingsError: with a line for each that is wrong.
    """
    wrong: list[str] = []
    data = _read(DataSettings, wrong)
    if data is None:
        raise WrongSettingsError(wrong)
    web = _read(WebSettings, wrong)
    database = _read(
        DatabaseSettings, wrong, database_url=data.database_url or "postgresql://127.0.0.1/pms"
    )
    worker = _read(WorkerSettings, wrong, redis_url=data.redis_url or "redis://127.0.0.1/0")
    wrong += [
        f"{name.upper()} is not set: `pms up` brings its own server, this command does not; set it"
        for name in required
        if not getattr(data, name)
    ]
    if web is None or database is None or worker is None or wrong:
        raise WrongSettingsError(wrong)
    return Settings(
        web=web,
        database_url=database.database_url if data.database_url else None,
        redis_url=worker.redis_url if data.redis_url else None,
        data_dir=data.pms_data_dir or default_data_dir(),
        log_format=worker.log_format,
    )


def _read(kind: type[Kind], wrong: list[str], **given: Any) -> Kind | None:
    """One package's settings; what is wrong with them is added to ``wrong``.

    Args:
        kind: the class of the settings.
        wrong: lines for the operator.
        given: what stands in for an embedded server's address, not yet known.
    """
    try:
        return read(kind, **given)
    except WrongSettingsError as error:
        wrong.extend(error.lines)
    return None
