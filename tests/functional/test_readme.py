"""The README's own commands and snippets, run as they stand."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from db.settings import DatabaseSettings
from tests.functional.node import Script, prepare
from tests.functional.service import ADMIN_KEY, ROOT, Api, Service, wait_until
from web.settings import WebSettings
from workers.settings import DataSettings, WorkerSettings

README = (ROOT / "README.md").read_text()
# A stand-in where there is no curl: the options that the README uses.
CURL = f"""#!{sys.executable}
import argparse, sys, requests
parser = argparse.ArgumentParser()
parser.add_argument("url")
parser.add_argument("-s", action="store_true")
parser.add_argument("-H", action="append", default=[])
parser.add_argument("-d")
given = parser.parse_args()
headers = dict(line.split(": ", 1) for line in given.H)
method = "GET" if given.d is None else "POST"
sys.stdout.write(requests.request(method, given.url, headers=headers, data=given.d).text)
"""


def snippet(language: str) -> str:
    """The only block of a language."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    return str(found)


def adapted(source: str, service: Service) -> str:
    return source.replace("http://localhost:8000", service.url)


@pytest.fixture
def path_with_curl(tmp_path: Path) -> str:
    path = os.environ["PATH"]
    if shutil.which("curl") is None:
        (tmp_path / "curl").write_text(CURL)
        (tmp_path / "curl").chmod(0o755)
        path = f"{tmp_path}:{path}"
    return path


def test_the_first_request(service: Service, api: Api, path_with_curl: str) -> None:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", adapted(snippet("bash"), service)],
        env={"PATH": path_with_curl, "PMS_API_KEY": ADMIN_KEY},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    (product_id,) = re.findall(r"export PRODUCT=(\S+)", done.stdout)
    assert api.get(f"/api/inventory/stock/{product_id}").json()["stock"] == 10
    assert '"status":"succeeded"' in done.stdout


def adjust_until(api: Api, product_id: str, seen: Callable[[], Any]) -> None:
    """Adjust again and again, as a person would, until the snippet has shown an event."""
    body = {"productId": product_id, "quantity": 1, "type": "increment"}

    def once() -> Any:
        api.post("/api/inventory/adjust", json=body, headers={"Prefer": "wait=5"})
        return seen()

    wait_until(once, 30)


def test_the_first_event_in_javascript(
    service: Service, api: Api, new_product: Callable[..., str], tmp_path: Path
) -> None:
    product_id = new_product()
    prepare(tmp_path)
    source = adapted(snippet("javascript"), service).replace(
        "JSON.stringify(data)", "JSON.stringify(['inventory_update', data])"
    )
    script = Script(tmp_path, source, {"PMS_API_KEY": ADMIN_KEY, "PRODUCT": product_id})
    try:
        adjust_until(api, product_id, lambda: script.seen("inventory_update"))
    finally:
        script.stop()
    assert script.seen("inventory_update")[0]["productId"] == product_id


def test_the_first_event_in_python(
    service: Service, api: Api, new_product: Callable[..., str], tmp_path: Path
) -> None:
    product_id = new_product()
    output = tmp_path / "output"
    with output.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-c", adapted(snippet("python"), service)],
            env={"PMS_API_KEY": ADMIN_KEY, "PRODUCT": product_id, "PATH": os.environ["PATH"]},
            stdout=stream,
            stderr=stream,
        )
    try:
        adjust_until(api, product_id, lambda: product_id in output.read_text())
    finally:
        process.kill()
        process.wait()


def test_every_setting_is_in_the_readme_and_the_other_way_round() -> None:
    known = {
        name.upper()
        for settings in (DatabaseSettings, WorkerSettings, WebSettings, DataSettings)
        for name in settings.model_fields
    }
    table = README[README.index("| name | default |") : README.index("## For real")]
    told = {name for row in table.splitlines() for name in re.findall(r"`([A-Z_]+)`", row[:60])}
    assert told == known


def test_the_key_commands(service: Service, tmp_path: Path) -> None:
    pms = [str(Path(sys.executable).parent / "pms")]
    commands = [line.split() for line in README.splitlines() if line.startswith("pms keys ")]
    assert [command[2] for command in commands] == ["create", "list", "rotate", "revoke"]
    key_id = ""
    for _, *arguments in commands:
        filled = [key_id if word == "ID" else word for word in arguments]
        done = subprocess.run(
            [*pms, *filled, "--json"],
            env=service.env,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        if filled[1] == "create":
            (key_id,) = re.findall(r'"id":\s*"([^"]+)"', done.stdout)
    assert key_id


def test_the_commands_of_the_command_line(
    service: Service, new_product: Callable[..., str], tmp_path: Path
) -> None:
    sku = f"README-{os.getpid()}"
    new_product(sku=sku)
    (tmp_path / "delivery.csv").write_text(f"sku,quantity,type\n{sku},3,increment\n")
    block = README[README.index("## At the command line") : README.index("## Settings")]
    lines = [line.split("#")[0].strip() for line in block.splitlines() if line.startswith("pms ")]
    verbs = {line.split()[1] for line in lines}
    assert verbs == {
        *("demo", "watch", "stock", "adjust", "import", "export", "status", "repair", "doctor")
    }
    # These have tests of their own: they take long, or for ever, or look at what others damage.
    for line in lines:
        if line.split()[1] in ("demo", "watch", "repair"):
            continue
        words = [sku if word == "SKU" else word for word in shlex.split(line)]
        subprocess.run(
            [str(Path(sys.executable).parent / words[0]), *words[1:], "--url", service.url],
            env=service.env,
            cwd=tmp_path,
            capture_output=True,
            timeout=60,
            check=True,
        )
