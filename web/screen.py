"""The dashboard: its one page, and the files that the page loads, under a strict policy."""

import hashlib
from functools import lru_cache
from pathlib import Path

from apiflask import APIBlueprint
from flask import Response, render_template, send_from_directory

from web.auth import needs
from web.errors import not_found
from web.services import services
from workers.settings import worker_settings

_DASHBOARD = Path(__file__).parent / "dashboard"
_APP = _DASHBOARD / "app"
_VENDORED = ("htm-preact.js", "socket.io.esm.min.js", "uplot.js", "uplot.css")
# Only our own files run, and only our own host is spoken to; text never becomes markup.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
    " require-trusted-types-for 'script'; trusted-types 'none'"
)
_ONE_YEAR = "public, max-age=31536000, immutable"

blueprint = APIBlueprint("screen", __name__, tag="Dashboard", template_folder=str(_APP))


@blueprint.get("/")
@needs(None)
@blueprint.doc(hide=True)
def read_screen() -> Response:
    """The page; everything that it shows comes from the API, with a key."""
    page = render_template(
        "dashboard.html",
        files=f"/app/{files_version()}",
        modules=[name for name in _names() if name.endswith(".js") and name != "theme.js"],
        currency=services().settings.shop_currency,
        timezone=worker_settings().shop_timezone,
    )
    response = Response(page, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = _POLICY
    response.headers["Cache-Control"] = "no-cache"
    return response


@blueprint.get("/app/<version>/<path:name>")
@needs(None)
@blueprint.doc(hide=True)
def read_file(version: str, name: str) -> Response:
    """A module or a style sheet of the page.

    Its address names the version of all files together, so that browsers may keep it for good
    and never mix old and new ones.
    """
    if name.removeprefix("vendor/") in _VENDORED and name.startswith("vendor/"):
        response = send_from_directory(_DASHBOARD, name)
    elif name in _names():
        response = send_from_directory(_APP, name)
    else:
        raise not_found("file")
    known = version == files_version()
    response.headers["Cache-Control"] = _ONE_YEAR if known else "no-cache"
    return response


@lru_cache
def _names() -> tuple[str, ...]:
    """The files of the page, by their paths."""
    found = (path.relative_to(_APP) for path in _APP.rglob("*") if path.suffix in (".js", ".css"))
    return tuple(sorted(path.as_posix() for path in found))


@lru_cache
def files_version() -> str:
    """What tells this set of files from every other one."""
    digest = hashlib.sha256()
    for path in [
        *(_DASHBOARD / "vendor" / name for name in _VENDORED),
        *map(_APP.joinpath, _names()),
    ]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]
