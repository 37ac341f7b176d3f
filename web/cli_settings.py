"""The command line's look at the settings: all checked before anything starts."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsError

from db.settings import DatabaseSettings
from web.settings import WebSettings
from workers.embedded import default_data_dir
from workers.settings import DataSettings, WorkerSettings

_Kind = TypeVar("_Kind", bound=BaseSettings)


class WrongSettingsError(Exception):
    """What is wrong with the environment: one line for each setting, without secrets."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


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


def read_settings(required: Sequence[str] = ()) -> Settings:
    """Read and check every setting of every package.

    Args:
        required: ``database_url``, ``redis_url``: what no embedded server stands in for.

    Raises:
        WrongSettingsError: with a line for each that is wrong.
    """
    wrong: list[str] = []
    data = _read(DataSettings, wrong) or DataSettings.model_construct()
    web = _read(WebSettings, wrong)
    database = _read(
        DatabaseSettings, wrong, database_url=data.database_url or "postgresql://127.0.0.1/pms"
    )
    worker = _read(WorkerSettings, wrong, redis_url=data.redis_url or "redis://127.0.0.1/0")
    wrong += [
        f"{name.upper()} is not set: `pms up` brings its own server, this command does not"
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


def _read(kind: type[_Kind], wrong: list[str], **given: Any) -> _Kind | None:
    """One package's settings; what is wrong with them is added to ``wrong``.

    Args:
        kind: the class of the settings.
        wrong: lines for the operator.
        given: what stands in for an embedded server's address, not yet known.
    """
    try:
        return kind(**given)
    except ValidationError as error:
        wrong.extend(_explain(kind, detail) for detail in error.errors(include_url=False))
    except SettingsError as error:
        wrong.append(str(error))
    return None


def _explain(kind: type[BaseSettings], detail: ErrorDetails) -> str:
    """One line: the variable, its value unless that is secret, what is wrong, and what helps."""
    # An error without a place is one of fields that belong together: an address and its token.
    name = str(detail["loc"][0]) if detail["loc"] else "redis_url"
    value = detail["input"] if detail["loc"] else detail["input"].get(name)
    about = kind.model_fields[name]
    reason = detail["msg"].removeprefix("Value error, ")
    reason = reason[:1].lower() + reason[1:]
    hint = f" ({about.description})" if about.description else ""
    if detail["type"] == "missing":
        return f"{name.upper()} is not set{hint}"
    shown = f"={without_password(str(value))}" if about.repr else ", whose value is not shown"
    default = (
        None
        if about.is_required()
        else about.get_default(call_default_factory=True, validated_data={})
    )
    remedy = "correct it" if default in (None, []) else f"correct it, or unset it for {default}"
    return f"{name.upper()}{shown}: {reason}{hint}; {remedy}"


def without_password(text: str) -> str:
    """A URL as it may be shown; other text stays as it is."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return "…"
    query = re.sub("(?<=password=)[^&]*", "…", parts.query)
    account, at, place = parts.netloc.rpartition("@")
    if at:
        place = f"{account.partition(':')[0]}:…@{place}"
    return urlunsplit(parts._replace(netloc=place, query=query))
