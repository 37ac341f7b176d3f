"""Many adjustments at once on real processes: the command line, sockets, and a worker that dies."""

import csv
import json
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from tests.faults.check import ask_database
from tests.functional.service import ADMIN_KEY, Api, Service, is_healthy, wait_until

PATH = "/api/inventory/adjustments"
NewProduct = Callable[..., str]
_PMS = (sys.executable, "-c", "from web.cli import main; main(prog_name='pms')")


@pytest.fixture
def pms(service: Service, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*_PMS, *arguments],
            env=service.env,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=100,
        )

    return run


@pytest.fixture
def skus(new_product: NewProduct) -> list[str]:
    """Three products, by their SKUs."""
    names = [f"BULK-{uuid.uuid4().hex[:12]}" for _ in range(3)]
    for name in names:
        new_product(sku=name)
    return names


def ended(api: Api, operation_id: str) -> dict[str, Any] | None:
    found: dict[str, Any] = api.get(f"/api/operations/{operation_id}").json()
    return found if found["status"] != "queued" else None


def stocks(api: Api, skus: list[str]) -> dict[str, int]:
    items = api.get("/api/inventory/stock?limit=100").json()["items"]
    return {one["sku"]: one["stock"] for one in items if one["sku"] in skus}


def test_a_worker_killed_in_the_middle_goes_on_where_it_was(
    service: Service, api: Api, skus: list[str]
) -> None:
    total = 6_000
    lines = [f"{skus[n % 3]},1,increment" for n in range(total)]
    body = "\n".join(["sku,quantity,type", *lines]).encode()
    sent = api.post(PATH, data=body, headers={"Content-Type": "text/csv"})
    assert sent.status_code == 202, sent.text
    path = f"/api/operations/{sent.json()['id']}"
    for share in (0.1, 0.4):
        wait_until(lambda: api.get(path).json()["progress"]["done"] >= total * share, 40)  # noqa: B023
        for child in psutil.Process(service.processes["worker"].pid).children(recursive=True):
            child.kill()
    result = wait_until(lambda: ended(api, sent.json()["id"]), 60)["result"]
    assert (result["applied"], result["refused"]) == (total, 0)
    assert stocks(api, skus) == dict.fromkeys(skus, total // 3)
    made = ask_database(
        service,
        "SELECT count(*) FROM stock_movements WHERE operation_id = :id AND on_hand_change = 1",
        id=sent.json()["id"],
    )
    assert made == total


@pytest.mark.parametrize("query", ["", "?dryRun=true", "?atomic=true"])
def test_who_waits_for_the_end_is_told_what_can_be_read_later(
    api: Api, skus: list[str], query: str
) -> None:
    rows = [{"sku": name, "quantity": 1, "type": "increment"} for name in skus] * 300
    rows.append({"sku": skus[0], "quantity": 1_000, "type": "decrement"})
    waited = api.post(PATH + query, json=rows, headers={"Prefer": "wait=30"})
    assert waited.headers["Preference-Applied"] == "wait=30"
    read = api.get(waited.headers["Location"]).json()
    if "atomic" in query:
        assert waited.status_code == 409, waited.text
        assert waited.json()["refused"] == read["error"]["refused"]
        assert [one["row"] for one in waited.json()["refused"]] == [900]
    else:
        assert waited.status_code == 200, waited.text
        for name in ("status", "progress", "result", "finishedAt"):
            assert waited.json()[name] == read[name]
        assert read["progress"] == {"done": 901, "total": 901}
        assert [one["row"] for one in read["result"]["refusedRows"]] == [900]


def test_an_upload_that_breaks_off_leaves_nothing(service: Service, api: Api) -> None:
    before = api.get("/api/operations?kind=adjust-many").json()["items"]
    target = urlsplit(service.url)
    with socket.create_connection((target.hostname, target.port)) as connection:
        head = (
            f"POST {PATH} HTTP/1.1\r\nHost: x\r\nX-API-Key: {ADMIN_KEY}\r\n"
            "Content-Type: text/csv\r\nContent-Length: 100000\r\n\r\nsku,quantity,type\n"
        )
        connection.sendall(head.encode())
    assert api.get("/api/operations?kind=adjust-many").json()["items"] == before
    assert api.get("/health").status_code == 200


def test_an_upload_that_runs_when_the_web_process_is_asked_to_end_is_accepted(
    service: Service, api: Api, skus: list[str]
) -> None:
    rows = b"sku,quantity,type\n" + f"{skus[0]},1,increment\n".encode() * 1_000
    with upload(service, rows) as connection:
        connection.sendall(rows[:100])
        web = service.processes["web"]
        web.terminate()
        wait_until(lambda: refuses(service.url))
        connection.sendall(rows[100:])
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    web.wait(15)
    service.start("web")
    assert answer.startswith(b"HTTP/1.1 202 "), answer
    wait_until(lambda: is_healthy(service), 30)
    operation = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert wait_until(lambda: ended(api, operation["id"]), 30)["result"]["applied"] == 1_000


@contextmanager
def upload(service: Service, rows: bytes) -> Iterator[socket.socket]:
    """A connection whose request the service reads: it has asked for the rows."""
    target = urlsplit(service.url)
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: x\r\nX-API-Key: {ADMIN_KEY}\r\nContent-Type: text/csv\r\n"
        f"Content-Length: {len(rows)}\r\nExpect: 100-continue\r\n\r\n"
    )
    with socket.create_connection((target.hostname, target.port), timeout=30) as connection:
        connection.sendall(head.encode())
        assert connection.recv(1_000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        yield connection


def refuses(url: str) -> bool:
    """Whether nobody listens there any more."""
    target = urlsplit(url)
    try:
        socket.create_connection((target.hostname, target.port), timeout=1).close()
    except OSError:
        return True
    return False


def test_import_stock_shows_the_end_and_what_was_refused(
    pms: Any, api: Api, skus: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "delivery.csv"
    file.write_text(f"sku;quantity;type\n{skus[0]};5;increment\n{skus[1]};2;decrement\n")
    tried = pms("import", "stock", "delivery.csv", "--dry-run")
    assert (tried.returncode, stocks(api, skus)[skus[0]]) == (3, 0)
    assert "1 row would be applied, 1 refused" in tried.stdout
    done = pms("import", "stock", "delivery.csv", "--once", "D-1" + skus[0])
    assert done.returncode == 3
    assert "1 row applied, 1 refused" in done.stdout
    assert f"row 3: {skus[1]}: 2 units were asked for and 0 can be sold." in done.stderr
    again = pms("import", "stock", "delivery.csv", "--once", "D-1" + skus[0], "--json")
    assert json.loads(again.stdout)["result"]["applied"] == 1
    assert stocks(api, skus)[skus[0]] == 5
    whole = pms("import", "stock", "delivery.csv", "--atomic", "--json")
    assert (whole.returncode, stocks(api, skus)[skus[0]]) == (3, 5)
    told = json.loads(whole.stdout)
    assert (told["title"], told["exitCode"]) == ("Bulk refused", 3)
    assert api.get(f"/api/operations/{told['operationId']}").json()["status"] == "failed"


def test_import_stock_of_a_file_that_is_none(pms: Any, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("sku,quantity\nX,1\n")
    found = pms("import", "stock", "bad.csv")
    assert found.returncode == 2
    assert "lacks the column type" in found.stderr
    assert pms("import", "stock", "nowhere.csv").returncode == 2


def test_products_go_out_and_come_back(pms: Any, api: Api, skus: list[str], tmp_path: Path) -> None:
    file = tmp_path / "products.csv"
    formula = f"=1+1 {skus[0]}"
    file.write_text(
        "sku,name,price,categoryId,images,status\n"
        f"{skus[0]},{formula},12.30,kitchen,/a.jpg /b.jpg,published\n"
        f"NEW-{skus[0]},Cup,3,kitchen,,draft\n"
    )
    done = pms("import", "products", "products.csv")
    assert (done.returncode, done.stdout) == (0, "1 created, 1 changed, 0 wrong\n"), done.stderr
    (found,) = api.get("/api/products", params={"q": formula}).json()["items"]
    assert (found["price"], found["images"], found["status"]) == (
        12.3,
        ["/a.jpg", "/b.jpg"],
        "published",
    )
    assert pms("export", "products", "-o", "out.csv").returncode == 0
    with (tmp_path / "out.csv").open(newline="") as stream:
        exported = {one["sku"]: one for one in csv.DictReader(stream)}
    assert exported[skus[0]]["name"] == "'" + formula
    with (tmp_path / "back.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(exported[skus[0]]))
        writer.writeheader()
        writer.writerow({**exported[skus[0]], "price": "13.00"})
    assert pms("import", "products", "back.csv").returncode == 0
    changed = api.get(f"/api/products/{found['id']}").json()
    assert (changed["name"], changed["price"]) == (formula, 13)


@pytest.mark.parametrize("letter", ["\x01", "\U0001f375", '"'])
def test_the_largest_product_goes_out_and_comes_back(
    pms: Any, api: Api, tmp_path: Path, letter: str
) -> None:
    """Its letters are those that take the most room, in CSV, in JSON or in both."""
    largest = {
        "name": uuid.uuid4().hex + letter * 168,
        "description": letter * 20_000,
        "price": 999_999_999_999.99,
        "categoryId": letter * 200,
        "images": [letter * 2_000] * 50,
        "sku": uuid.uuid4().hex + letter * 68,
        "lowStockThreshold": 1_000_000_000,
    }
    body = json.dumps(largest, ensure_ascii=False).encode()
    made = api.post("/api/pms/products", data=body, headers={"Content-Type": "application/json"})
    assert made.status_code == 201, made.text
    path = f"/api/pms/products/{made.json()['id']}"
    assert pms("export", "products", "-o", "all.csv").returncode == 0
    lines = (tmp_path / "all.csv").read_bytes().splitlines(keepends=True)
    (line,) = (one for one in lines if one.startswith(made.json()["id"].encode()))
    (tmp_path / "one.csv").write_bytes(lines[0] + line)
    assert api.patch(path, json={"description": "", "images": []}).status_code == 200
    done = pms("import", "products", "one.csv")
    assert (done.returncode, done.stdout) == (0, "0 created, 1 changed, 0 wrong\n"), done.stderr
    back = api.get(f"/api/products/{made.json()['id']}").json()
    assert {name: back[name] for name in largest} == largest


def test_products_are_imported_again_unless_told_otherwise(
    pms: Any, api: Api, skus: list[str], tmp_path: Path
) -> None:
    sku, nameless = f"AGAIN-{skus[0]}", f"Nameless {skus[0]}"
    (tmp_path / "again.csv").write_text(
        f"sku,name,price,categoryId\n{sku},Cup,3,kitchen\n,{nameless},4,kitchen\n"
    )

    def imported(*more: str) -> str:
        found = pms("import", "products", "again.csv", *more)
        assert found.returncode == 0, found.stderr
        return str(found.stdout)

    def found(name: str) -> list[dict[str, Any]]:
        return list(api.get("/api/products", params={"q": name}).json()["items"])

    assert imported() == "2 created, 0 changed, 0 wrong\n"
    path = f"/api/pms/products/{found(sku)[0]['id']}"
    assert api.patch(path, json={"price": 9}).status_code == 200
    assert imported() == "0 created, 1 changed, 0 wrong, 1 done before\n"
    assert found(sku)[0]["price"] == 3
    key = f"K {sku}"
    assert imported("--once", key) == "1 created, 1 changed, 0 wrong\n"
    assert api.patch(path, json={"price": 9}).status_code == 200
    told = json.loads(imported("--once", key, "--json"))
    assert told == {"created": 0, "changed": 0, "wrong": 0, "doneBefore": 2, "errors": []}
    assert found(sku)[0]["price"] == 9
    assert len(found(nameless)) == 2
    assert pms("import", "products", "again.csv", "--once", "").returncode == 2


def test_rows_that_were_done_are_not_done_again_when_another_is_mended(
    pms: Any, api: Api, skus: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "mended.csv"
    rows = f"name,price,categoryId\nMended {skus[0]},PRICE,c\n" + f"Twin {skus[0]},2,c\n" * 2
    file.write_text(rows.replace("PRICE", "1.999"))
    assert "2 created, 0 changed, 1 wrong" in pms("import", "products", "mended.csv").stdout
    file.write_text(rows.replace("PRICE", "1.99"))
    done = pms("import", "products", "mended.csv")
    assert done.stdout == "1 created, 0 changed, 0 wrong, 2 done before\n", done.stderr
    assert len(api.get("/api/products", params={"q": skus[0], "limit": 100}).json()["items"]) == 4


def test_what_a_row_of_products_does_not_say_stays(
    pms: Any, api: Api, new_product: NewProduct, tmp_path: Path
) -> None:
    sku = f"KEPT-{uuid.uuid4().hex[:12]}"
    product_id = new_product(sku=sku, description="Told at length", images=["/a.jpg"])
    for columns, cells in (("", ""), (",description,images", ",,")):
        file = tmp_path / "prices.csv"
        file.write_text(f"sku,name,price,categoryId{columns}\n{sku},Cup,8,kitchen{cells}\n")
        assert pms("import", "products", "prices.csv").stdout.startswith("0 created, 1 changed")
    found = api.get(f"/api/products/{product_id}").json()
    assert (found["price"], found["description"], found["images"]) == (
        8,
        "Told at length",
        ["/a.jpg"],
    )


def test_wrong_rows_of_products_are_named(pms: Any, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text(f"name,price,categoryId\nCup,1.999,c\n{uuid.uuid4().hex},2,c\n")
    found = pms("import", "products", "p.csv", "--json")
    told = json.loads(found.stdout)
    assert (found.returncode, told["created"], told["wrong"]) == (2, 1, 1)
    assert told["errors"][0]["row"] == 2
    (tmp_path / "q.csv").write_text("name,price,categoryId\nCup,cheap,c\n")
    assert "row 2" in pms("import", "products", "q.csv").stderr


@pytest.mark.parametrize("what", ["products", "stock", "movements", "orders"])
def test_every_list_can_be_exported(pms: Any, skus: list[str], what: str) -> None:
    found = pms("export", what)
    assert found.returncode == 0, found.stderr
    assert next(csv.reader(found.stdout.splitlines()))[0] in ("id", "productId")
    lines = pms("export", what, "--json").stdout.splitlines()
    assert all(json.loads(line) for line in lines)
