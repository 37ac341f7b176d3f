"""What `pms doctor` looks at, in which order: settings, machine, servers, service."""

from collections.abc import Callable, Iterable, Iterator

from web import cli_findings as look
from web.cli_errors import AwayError, CommandError
from web.cli_findings import Finding
from web.cli_settings import Settings, WrongSettingsError, read_settings
from web.cli_target import Target, running_url
from workers.data_dir import StartupError
from workers.embedded import EmbeddedPostgres, EmbeddedValkey


def examine(target: Target) -> Iterator[Finding]:
    """Look at everything; changes nothing."""
    try:
        settings = read_settings()
    except WrongSettingsError as error:
        for line in error.lines:
            yield Finding("settings", "wrong", line, "correct or unset it")
        return
    yield Finding("settings", "ok", "all are understood")
    yield from look.python_and_packages()
    yield from look.data_folder(settings.data_dir)
    yield from _servers(settings)
    yield from _service(settings, target)


def _servers(settings: Settings) -> Iterator[Finding]:
    yield from _server(
        "PostgreSQL",
        settings.database_url,
        lambda: running_url(EmbeddedPostgres(settings.data_dir)),
        look.database,
    )
    yield from _server(
        "Redis",
        settings.redis_url,
        lambda: running_url(EmbeddedValkey(settings.data_dir)),
        look.redis_server,
    )


def _server(
    name: str,
    url: str | None,
    find_url: Callable[[], str],
    look_at: Callable[[str], Iterable[Finding]],
) -> Iterator[Finding]:
    if url is not None:
        yield from look_at(url)
        return
    not_running = Finding(name, "note", "the embedded one does not run", "`pms up` starts it")
    try:
        found = list(look_at(find_url()))
    except StartupError:
        found = [not_running]
    # It is away whenever `pms up` does not run, which is nothing wrong by itself.
    yield from [not_running] if found[0].state == "wrong" else found


def _service(settings: Settings, target: Target) -> Iterator[Finding]:
    try:
        yield from look.service(target)
    except AwayError:
        if target.is_local:
            yield look.port(settings.web.host, settings.web.port)
        yield Finding("service", "note", f"nothing runs at {target.url}", "`pms up` starts it")
    except CommandError as error:
        yield Finding("service", "wrong", str(error), "see its log")
