"""The command line against a running service, as an operator's shell runs it."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.factories.wire import Wire
from tests.functional.flow import Flow, adjust
from tests.functional.service import Api, Service, free_port, wait_until
from workers.crash import EXIT_CODE

_PMS = (sys.executable, "-c", "from web.cli import main; main(prog_name='pms')")
NOWHERE = "0198c0de-0000-7000-8000-000000000000"
Pms = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def pms(service: Service) -> Pms:
    """Run a command; the environment says where the service is."""

    def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*_PMS, *arguments],
            env={**service.env, **env},
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


def one_line(done: subprocess.CompletedProcess[str], code: int) -> str:
    """What it said in its one line of error."""
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith("pms: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_stock_by_id_sku_and_name(pms: Pms, new_product: Callable[..., str]) -> None:
    product = new_product(stock=7, sku="CLI-1", name="Command Line Mug")
    for name in (product, "cli-1", "command line mug"):
        found = json.loads(pms("stock", name, "--json").stdout)
        assert (found["productId"], found["stock"], found["sku"]) == (product, 7, "CLI-1")
    shown = pms("stock", product)
    assert shown.returncode == 0
    assert re.search(r"In stock +7", shown.stdout)
    assert one_line(pms("stock", product, "--at", "noon"), 2).startswith("pms: --at noon: must be")


def test_adjust_waits_and_shows_the_end(
    pms: Pms, api: Api, new_product: Callable[..., str]
) -> None:
    product = new_product(stock=7)
    done = pms("adjust", product, "-3", "--reason", "-1 broken", "--expected", "7")
    assert (done.returncode, done.stderr) == (0, "")
    assert "4 is in stock, after 7" in done.stdout
    assert json.loads(pms("adjust", product, "+5", "--json").stdout)["result"]["stock"] == 9
    assert "would be in stock" in pms("adjust", product, "+5", "--dry-run").stdout
    for _ in range(2):
        pms("adjust", product, "+1", "--once", f"once-{product}")
    unset = one_line(pms("adjust", product, "+1", "--once", ""), 2)
    assert unset.startswith("pms: not valid: Idempotency-Key: must be ")
    assert api.get(f"/api/inventory/stock/{product}").json()["stock"] == 10
    ledger = api.get("/api/inventory/movements", params={"productId": product}).json()["items"]
    assert [row["reason"] for row in ledger if row["onHandChange"] == -3] == ["-1 broken"]


@pytest.mark.parametrize("command", ["adjust", "import"])
def test_what_was_accepted_without_an_answer_is_done_once(
    service: Service, api: Api, new_product: Callable[..., str], tmp_path: Path, command: str
) -> None:
    product = new_product(stock=7)
    file = tmp_path / "delivery.csv"
    file.write_text(f"productId,quantity,type\n{product},5,increment\n")
    words = ("adjust", product, "+5") if command == "adjust" else ("import", "stock", str(file))
    service.stop("web")
    service.further["web"] = {"PMS_CRASH": "accepted=1"}
    service.start("web")
    del service.further["web"]
    try:
        wait_until(lambda: _answers(api), 30)
        running = subprocess.Popen([*_PMS, *words], env=service.env, stdout=subprocess.PIPE)
        assert service.processes["web"].wait(20) == EXIT_CODE
    finally:
        service.stop("web")
        service.start("web")
    assert running.wait(60) == 0
    assert api.get(f"/api/inventory/stock/{product}").json()["stock"] == 12


def test_a_rules_no_is_code_3(pms: Pms, new_product: Callable[..., str]) -> None:
    product = new_product(stock=7)
    assert "refused: 8 units were asked for" in one_line(pms("adjust", product, "-8"), 3)
    assert "refused" in one_line(pms("adjust", product, "-1", "--expected", "9"), 3)
    told = json.loads(pms("adjust", product, "-8", "--json").stdout)
    assert (told["available"], told["exitCode"]) == (7, 3)


def test_what_is_not_there_is_code_4(pms: Pms) -> None:
    for name in (NOWHERE, "no such product"):
        assert "there is no product" in one_line(pms("stock", name), 4)
        assert "there is no product" in one_line(pms("adjust", name, "+1"), 4)
    assert "there is no order" in one_line(pms("watch", "order", NOWHERE), 4)


def test_a_refused_key_is_code_5(pms: Pms, make_key: Callable[..., str], tmp_path: Path) -> None:
    wrong = {"PMS_API_KEY": "pms_nobody_knows_this_key_at_all"}
    for command in (("stock", NOWHERE), ("watch",), ("demo",)):
        said = one_line(pms(*command, **wrong), 5)
        assert "refuses the key from PMS_API_KEY" in said
        assert wrong["PMS_API_KEY"] not in said
    file = tmp_path / "key"
    file.write_text(make_key(scopes=["read"]))
    said = one_line(pms("adjust", NOWHERE, "+1", "--key-file", str(file)), 4)
    assert "there is no product" in said


def test_without_the_scope_is_code_5(
    pms: Pms, make_key: Callable[..., str], new_product: Callable[..., str]
) -> None:
    product = new_product()
    said = one_line(pms("adjust", product, "+1", PMS_API_KEY=make_key(scopes=["read"])), 5)
    assert "--scope write" in said


@pytest.mark.parametrize("command", [("stock", NOWHERE), ("status",), ("watch",), ("demo",)])
def test_no_service_is_code_1(pms: Pms, command: tuple[str, ...]) -> None:
    said = one_line(pms(*command, PORT=str(free_port())), 1)
    assert "`pms up`" in said


def test_status_at_a_glance(pms: Pms, service: Service) -> None:
    shown = pms("status")
    assert shown.returncode == 0
    assert shown.stdout.startswith(f"ok  {service.url}")
    found = json.loads(pms("status", "--json").stdout)
    assert found["health"]["status"] == "ok"
    assert found["health"]["checks"]["queue"]["depth"] is not None
    without = pms("status", PMS_API_KEY="pms_nobody_knows_this_key_at_all")
    assert without.returncode == 0
    assert "refuses the key" in without.stdout


def test_doctor_finds_nothing_wrong(pms: Pms) -> None:
    done = pms("doctor", "--json")
    found = json.loads(done.stdout)
    states = {finding["about"]: finding["state"] for finding in found["findings"]}
    assert done.returncode == 0, done.stdout
    assert states.pop("durability") == "note"  # the servers of tests do without
    assert set(states.values()) == {"ok"}
    looked_at = {"migrations", "clock", "PostgreSQL", "Redis", "disk", "key", "service", "line"}
    assert looked_at <= states.keys()


def test_doctor_says_what_to_do(pms: Pms, service: Service) -> None:
    away = service.env["DATABASE_URL"].rpartition(":")[0] + ":1/service"
    done = pms("doctor", DATABASE_URL=away)
    assert done.returncode == 1
    assert "✗ PostgreSQL" in done.stdout
    assert "→ start it, or correct DATABASE_URL" in done.stdout
    empty = service.env["DATABASE_URL"].rpartition("/")[0] + "/postgres"
    assert "`pms migrate`" in pms("doctor", DATABASE_URL=empty).stdout


class Watching:
    """A running `pms watch`."""

    def __init__(self, service: Service, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [*_PMS, "watch", *arguments, "--json"],
            env={**service.env, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            text=True,
        )

    def next(self, event: str) -> dict[str, Any]:
        """Wait for the next such line; those of other events are passed by."""
        while (found := self.line())["event"] != event:
            pass
        return found

    def line(self) -> dict[str, Any]:
        """Wait for the next line."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            found: dict[str, Any] = json.loads(line)
            return found
        raise AssertionError(f"it ended with {self._process.wait()}")

    def interrupt(self) -> int:
        """Ctrl-C; gives the exit code."""
        self._process.send_signal(2)
        return self._process.wait(15)

    def wait(self) -> int:
        return self._process.wait(15)


def test_watch_shows_what_happens(
    service: Service, api: Api, new_product: Callable[..., str]
) -> None:
    product = new_product(stock=7)
    watching = Watching(service, "product", product)
    assert watching.next("snapshot")["data"]["stock"] == 7
    watching.next("snapshot")
    adjust(api, product)
    assert watching.next("inventory_update")["data"]["stock"] == 8
    assert watching.interrupt() == 0


def test_watch_ends_after_so_many(
    service: Service, api: Api, new_product: Callable[..., str]
) -> None:
    product = new_product(stock=7)
    watching = Watching(service, "operations", "--count", "2")
    watching.next("snapshot")
    for _ in range(2):
        adjust(api, product)
    assert watching.next("operation_update")["data"]["status"] == "succeeded"
    assert watching.wait() == 0


def test_watch_comes_back_and_shows_what_was_missed(
    service: Service, api: Api, new_product: Callable[..., str]
) -> None:
    product = new_product(stock=1)
    watching = Watching(service, "product", product)
    for _ in range(2):
        watching.next("snapshot")
    service.stop("web")
    watching.next("disconnected")
    service.start("web")
    wait_until(lambda: _answers(api), 30)
    adjust(api, product)
    assert watching.next("inventory_update")["data"]["stock"] == 2
    adjust(api, product)
    assert watching.next("inventory_update")["data"]["stock"] == 3
    assert watching.interrupt() == 0


def test_watch_shows_all_in_order_over_breaks_while_events_flow(
    service: Service, admin_key: str, new_product: Callable[..., str]
) -> None:
    products = [new_product(stock=1, lowStockThreshold=0) for _ in range(4)]
    wire = Wire(service.url)
    watching = Watching(service, "--url", wire.url)
    told: dict[str, list[int]] = {"operation_update": [], "system_alert": []}

    def read_until(end: Callable[[dict[str, Any]], bool]) -> None:
        while True:
            line = watching.line()
            if line["event"] in told:
                told[line["event"]].append(line["data"]["position"])
            if end(line):
                return

    for _ in range(2):
        watching.next("snapshot")
    with Flow(service.url, admin_key, products) as flow:
        for _ in range(8):
            flow.go_on()
            wire.cut()
            wire.mend()
            read_until(lambda line: line["event"] == "reconnected")
    last = adjust(Api(service.url, admin_key), products[0], kind="decrement")
    read_until(lambda line: line["data"].get("operationId") == last)
    assert watching.interrupt() == 0
    wire.close()
    for positions in told.values():
        assert positions == list(range(positions[0], positions[0] + len(positions)))


def _answers(api: Api) -> bool:
    try:
        return bool(api.get("/health").json()["status"] == "ok")
    except OSError:
        return False


def test_a_request_is_found_in_every_log_and_no_key_is(
    service: Service, api: Api, admin_key: str, new_product: Callable[..., str]
) -> None:
    product = new_product(stock=7)
    name = f"request-{os.urandom(8).hex()}"
    body = {"productId": product, "quantity": 1, "type": "increment"}
    unknown = "pms_" + os.urandom(16).hex()
    api.post("/api/inventory/adjust", json=body, headers={"X-Request-ID": name})
    Api(service.url, unknown).get("/api/products")
    Watching(service, "system", "--count", "1").interrupt()

    def lines() -> list[str]:
        return [line for line in service.log.read_text().splitlines() if name in line]

    wait_until(lambda: len(lines()) >= 2)
    request, end = sorted(lines(), key=lambda line: "operation_ended" in line)
    assert "method=POST" in request
    assert "status=202" in request
    assert "operation_ended" in end
    assert "status=succeeded" in end
    name = f"refused-{os.urandom(8).hex()}"
    body |= {"quantity": 10**6, "type": "decrement"}
    api.post("/api/inventory/adjust", json=body, headers={"X-Request-ID": name})
    wait_until(lambda: "operation_ended" in "".join(lines()))
    (end,) = (line for line in lines() if "operation_ended" in line)
    assert "status=failed problem=insufficient-stock" in end
    written = service.log.read_text()
    assert admin_key not in written
    assert unknown not in written
