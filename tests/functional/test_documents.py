"""The documents: open to all, closed to other hosts, complete, and with snippets that run."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any, get_args

import pytest
import requests

from tests.functional.node import Script, prepare
from tests.functional.service import ADMIN_KEY, Api, Service, is_healthy, wait_until
from tests.functional.test_readme import README, adjust_until, snippet
from web.documents import SOCKET_ERRORS
from web.problems import PROBLEMS
from web.schemas.sockets import TOPICS, ErrorCode
from web.socket_subscriptions import TOPICS as SERVED
from web.sockets import _MAX_MESSAGE_BYTES
from workers.events import EVENTS

PAGES = ("/docs", "/docs/api", "/docs/sockets", "/docs/problems", "/docs/problems/unauthorized")


def get(service: Service, path: str) -> requests.Response:
    return requests.get(service.url + path, timeout=10)


def blocks(service: Service, path: str) -> list[str]:
    """What stands in the code blocks of a page, as a reader copies it."""
    found = re.findall(r"<pre[^>]*><code>(.*?)</code></pre>", get(service, path).text, re.DOTALL)
    return [unescape(block) for block in found]


@pytest.mark.parametrize("path", PAGES)
def test_pages_need_no_key_and_no_other_host(service: Service, path: str) -> None:
    page = get(service, path)
    assert page.status_code == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "frame-ancestors 'none'" in policy
    for loaded in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        assert loaded.startswith("/"), loaded
        assert get(service, loaded).status_code == 200, loaded
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", page.text)


def test_only_what_pages_load_can_be_had(service: Service) -> None:
    for name in ("start.html", "../base.html", "%2e%2e/__init__.py", "vendor.lock.json", ""):
        assert get(service, f"/docs/files/{name}").status_code == 404, name


def test_a_file_is_sent_again_only_if_it_has_changed(service: Service) -> None:
    first = get(service, "/docs/files/docs.css")
    again = requests.get(
        service.url + "/docs/files/docs.css",
        headers={"If-None-Match": first.headers["ETag"]},
        timeout=10,
    )
    assert again.status_code == 304


@pytest.mark.parametrize("code", sorted(PROBLEMS))
def test_every_problem_has_a_page(service: Service, code: str) -> None:
    page = get(service, f"/docs/problems/{code}")
    assert page.status_code == 200
    assert f"<code>{code}</code>" in page.text
    assert all(f"<code>{name}</code>" in page.text for name in PROBLEMS[code].members)
    assert f'href="/docs/problems/{code}"' in get(service, "/docs/problems").text


def test_an_unknown_problem_has_none(service: Service) -> None:
    found = get(service, "/docs/problems/nothing")
    assert found.status_code == 404
    assert found.headers["Content-Type"] == "application/problem+json"


def test_what_a_problem_points_to_is_there(service: Service, api: Api) -> None:
    refused = api.get("/api/nothing").json()
    assert get(service, refused["type"]).status_code == 200


def test_the_sockets_page_tells_all(service: Service) -> None:
    page = get(service, "/docs/sockets").text
    assert set(TOPICS) == set(SERVED)
    assert set(SOCKET_ERRORS) == set(get_args(ErrorCode))
    for name in (*(f"subscribe_{name}" for name in TOPICS), *EVENTS, *SOCKET_ERRORS):
        assert f"<code>{name}</code>" in page, name
    assert f"{_MAX_MESSAGE_BYTES // 1024} KiB a message" in page


def test_the_first_steps_are_the_readmes(service: Service) -> None:
    shown = blocks(service, "/docs")
    for language in ("bash", "javascript", "python"):
        assert snippet(language).replace("http://localhost:8000", service.url) in shown
    assert all(block in README.replace("http://localhost:8000", service.url) for block in shown)


@pytest.mark.parametrize("told", ["https", "HTTPS", "https, http"])
@pytest.mark.parametrize("path", ["/docs", "/docs/sockets"])
def test_behind_tls_nobody_is_taught_to_send_a_key_in_the_clear(
    service: Service, path: str, told: str
) -> None:
    proxied = {"Host": "shop.example", "X-Forwarded-Proto": told}
    page = requests.get(service.url + path, headers=proxied, timeout=10)
    assert "https://shop.example" in page.text
    assert "http://shop.example" not in page.text
    assert page.headers["Strict-Transport-Security"]
    plain = requests.get(service.url + path, headers={"Host": "shop.example"}, timeout=10)
    assert "http://shop.example" in plain.text


Printed = Callable[[], list[Any]]


@pytest.fixture
def product_id(new_product: Callable[..., str]) -> str:
    return new_product()


@pytest.fixture
def javascript(service: Service, product_id: str, tmp_path: Path) -> Iterator[Printed]:
    """The page's recovery in JavaScript, running; gives the lines that it prints."""
    (source,) = (block for block in blocks(service, "/docs/sockets") if "emitWithAck" in block)
    prepare(tmp_path)
    script = Script(tmp_path, source, {"PMS_API_KEY": ADMIN_KEY, "PRODUCT": product_id})
    yield lambda: script.lines
    script.stop()


@pytest.fixture
def python(service: Service, product_id: str, tmp_path: Path) -> Iterator[Printed]:
    """The same in Python."""
    (source,) = (block for block in blocks(service, "/docs/sockets") if "import socketio" in block)
    output = tmp_path / "output"
    with output.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-c", source],
            env={"PMS_API_KEY": ADMIN_KEY, "PRODUCT": product_id, "PATH": os.environ["PATH"]},
            stdout=stream,
            stderr=stream,
        )
    yield lambda: output.read_text().splitlines()
    process.kill()
    process.wait()


@pytest.mark.parametrize("language", ["javascript", "python"])
def test_recovery_as_the_page_shows_it(
    service: Service, api: Api, product_id: str, language: str, request: pytest.FixtureRequest
) -> None:
    printed: Printed = request.getfixturevalue(language)
    # The snapshot, then events.
    wait_until(printed, 30)
    adjust_until(api, product_id, lambda: len(printed()) >= 3)
    seen = len(printed())
    service.stop("web")
    service.start("web")
    wait_until(lambda: is_healthy(service), 30)
    adjust_until(api, product_id, lambda: len(printed()) > seen)
    versions = [int(re.findall(r"version'?\"?: ?(\d+)", str(line))[0]) for line in printed()]
    if language == "python":
        # Its library runs handlers side by side; each event must be there all the same, once.
        versions.sort()
    assert versions == list(range(versions[0], versions[0] + len(versions)))


# What every web server sends, and what keeps a browser safe: no client acts on them.
_UNSAID = re.compile(
    "Content-(Type|Length|Security-Policy)|Date|Connection|Transfer-Encoding|Vary|Cache-Control"
    "|X-(Content-Type|Frame)-Options|Referrer-Policy|Permissions-Policy|Cross-Origin-.*"
)


def test_answers_carry_the_headers_that_are_described(
    service: Service, api: Api, new_product: Callable[..., str]
) -> None:
    spec = get(service, "/openapi.json").json()
    product = new_product(stock=1)
    much = {"productId": product, "quantity": 9, "type": "decrement"}
    waited = {"Prefer": "wait=20", "Idempotency-Key": f"much-{product}"}
    answers = [
        ("/api/inventory/adjust", api.post("/api/inventory/adjust", json=much, headers=waited)),
        ("/api/inventory/adjust", api.post("/api/inventory/adjust", json=much, headers=waited)),
        ("/api/inventory/stock", api.get("/api/inventory/stock", headers={"Accept": "text/csv"})),
        (
            "/api/products/{product_id}",
            api.get(f"/api/products/{product}", headers={"If-Match": '"9"'}),
        ),
    ]
    assert [answer.status_code for _, answer in answers] == [409, 409, 200, 412]
    for path, answer in answers:
        method = str(answer.request.method).lower()
        described = spec["paths"][path][method]["responses"][str(answer.status_code)]
        if "$ref" in described:
            described = spec["components"]["responses"][described["$ref"].rpartition("/")[2]]
        sent = {name for name in answer.headers if not _UNSAID.fullmatch(name)}
        assert sent <= described["headers"].keys(), path
