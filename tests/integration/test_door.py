"""The door against rough hands: a real web process, spoken to byte by byte."""

import gzip
import json
import os
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from uuid import uuid4

import pytest
import requests
import websocket

from tests.factories.wire import Wire
from tests.functional.service import ADMIN_KEY, Service, free_port, wait_until
from web.server_protocol import BODY_SECONDS, HEADER_SECONDS

SHOP = "https://shop.example"
LIMIT = 65_536
BODY = json.dumps(
    {"name": "Mug", "description": "", "price": 1, "categoryId": "c", "images": []}
).encode()
KEY = f"X-API-Key: {ADMIN_KEY}\r\n"
POST = "POST /api/pms/products HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + KEY


@pytest.fixture
def before_the_database(tmp_path: Path) -> Iterator[tuple[Service, Wire]]:
    """A web process that started while its database was away, and the wire between them."""
    wire = Wire(os.environ["DATABASE_URL"])
    wire.cut()
    env = {
        **os.environ,
        "DATABASE_URL": wire.url,
        # Nobody has seen this one before.
        "PMS_API_KEY": f"pms_{uuid4().hex}",
        "PORT": str(free_port()),
    }
    found = Service(f"http://127.0.0.1:{env['PORT']}", env, tmp_path / "log")
    found.start("web")
    try:
        yield found, wire
    finally:
        found.stop("web")
        wire.mend()
        wire.close()
    assert "Traceback" not in found.log.read_text()


def test_a_door_that_opens_before_its_database(
    before_the_database: tuple[Service, Wire],
) -> None:
    service, wire = before_the_database
    key = {"X-API-Key": service.env["PMS_API_KEY"]}

    def get(path: str, headers: dict[str, str] | None = None) -> requests.Response:
        return requests.get(service.url + path, headers=headers, timeout=10)

    def listens() -> bool:
        with suppress(requests.RequestException):
            return get("/health").status_code == 503
        return False

    wait_until(listens, 30)
    health = get("/health")
    assert health.elapsed.total_seconds() < 1
    assert (health.status_code, health.json()["status"]) == (503, "degraded")
    assert health.json()["checks"]["database"] == {"healthy": False}
    for headers in (key, {"X-API-Key": "pms_unknown"}):
        for path in ("/api/products", "/api/keys"):
            away = get(path, headers)
            assert (away.status_code, away.headers["Retry-After"]) == (503, "1"), away.text
            assert away.json()["type"] == "/docs/problems/unavailable"
    assert get("/api/products").status_code == 401
    # A refusal would end a client's tries for good; a broken connection does not.
    assert first_word(service, service.env["PMS_API_KEY"]) == ""

    wire.mend()
    told = [503]

    def serves() -> bool:
        told.append(get("/api/keys", key).status_code)
        return told[-1] == 200

    wait_until(serves, 10)
    assert set(told) == {503, 200}
    wait_until(lambda: get("/health").status_code == 200, 10)
    assert get("/api/products", {"X-API-Key": "pms_unknown"}).status_code == 401
    assert first_word(service, service.env["PMS_API_KEY"]).startswith("40{")


def first_word(service: Service, token: str) -> str:
    """What a socket client is told of its token; nothing if the connection is closed."""
    url = service.url.replace("http", "ws", 1) + "/socket.io/?EIO=4&transport=websocket"
    with closing(websocket.create_connection(url, timeout=20)) as wire:
        wire.recv()
        wire.send("40" + json.dumps({"token": token}))
        with suppress(ConnectionError, websocket.WebSocketConnectionClosedException):
            return str(wire.recv())
    return ""


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One web process with a small limit and one friendly origin."""
    env = {
        **os.environ,
        "PMS_API_KEY": ADMIN_KEY,
        "PORT": str(free_port()),
        "CORS_ORIGINS": SHOP,
        "MAX_BODY_BYTES": str(LIMIT),
        "RATE_LIMIT_API": "1000000/minute",
    }
    log = tmp_path_factory.mktemp("door") / "log"
    found = Service(f"http://127.0.0.1:{env['PORT']}", env, log)
    found.start("web")
    try:
        wait_until(lambda: answers(found), 30)
        yield found
    finally:
        found.stop("web")
    assert "Traceback" not in log.read_text()


def answers(service: Service) -> bool:
    try:
        return requests.get(service.url + "/health", timeout=2).ok
    except requests.RequestException:
        return False


def dial(service: Service) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(service.env["PORT"])), timeout=40)


def talk(service: Service, *parts: bytes) -> bytes:
    """Send bytes, end the sending, and read all that comes back."""
    with closing(dial(service)) as wire:
        for part in parts:
            wire.sendall(part)
        with suppress(OSError):
            wire.shutdown(socket.SHUT_WR)
        return read(wire)


def read(wire: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    found = b""
    try:
        while piece := wire.recv(65_536):
            found += piece
    except ConnectionResetError:
        pass
    return found


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/health", "/api/products", "/nothing"])
def test_every_answer_is_safe_in_a_browser(door: Service, path: str) -> None:
    headers = requests.get(door.url + path, timeout=10).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Frame-Options"] == "DENY"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Strict-Transport-Security" not in headers
    assert "Server" not in headers
    over_tls = requests.get(door.url + path, headers={"X-Forwarded-Proto": "https"}, timeout=10)
    assert over_tls.headers["Strict-Transport-Security"].startswith("max-age=")


def test_long_polling_is_not_taken_for_a_page(door: Service) -> None:
    for query, code in (("EIO=4&transport=polling", 200), ("", 400)):
        answer = requests.get(f"{door.url}/socket.io/?{query}", timeout=10)
        assert answer.status_code == code
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def preflight(door: Service, origin: str, path: str = "/api/products") -> requests.Response:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "x-api-key, idempotency-key",
    }
    return requests.options(door.url + path, headers=headers, timeout=10)


def test_a_friendly_origin_may_call(door: Service) -> None:
    asked = preflight(door, SHOP)
    assert asked.status_code == 204
    assert asked.headers["Access-Control-Allow-Origin"] == SHOP
    assert "PATCH" in asked.headers["Access-Control-Allow-Methods"]
    assert "X-API-Key" in asked.headers["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Credentials" not in asked.headers
    called = requests.get(
        door.url + "/api/products", headers={"Origin": SHOP, "X-API-Key": ADMIN_KEY}, timeout=10
    )
    assert called.status_code == 200
    assert called.headers["Access-Control-Allow-Origin"] == SHOP
    assert "Retry-After" in called.headers["Access-Control-Expose-Headers"]
    assert "Origin" in called.headers["Vary"]


@pytest.mark.parametrize("origin", ["https://evil.example", "null", SHOP + ".evil.example", ""])
def test_other_origins_may_not(door: Service, origin: str) -> None:
    for answer in (
        preflight(door, origin),
        requests.get(door.url + "/api/products", headers={"Origin": origin}, timeout=10),
    ):
        assert not [name for name in answer.headers if name.startswith("Access-Control-")]


def test_sockets_are_closed_to_other_origins(door: Service) -> None:
    path = "/socket.io/?EIO=4&transport="
    for origin, wanted in ((SHOP, 200), ("https://evil.example", 400)):
        found = requests.get(door.url + path + "polling", headers={"Origin": origin}, timeout=10)
        assert found.status_code == wanted
    url = door.url.replace("http", "ws", 1) + path + "websocket"
    websocket.create_connection(url, origin=SHOP, timeout=10).close()
    with pytest.raises(websocket.WebSocketBadStatusException):
        websocket.create_connection(url, origin="https://evil.example", timeout=10)


@pytest.mark.parametrize(
    ("request_line", "wanted"),
    [
        (f"GET /{'a' * 20_000} HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (f"GET /health HTTP/1.1\r\nHost: x\r\nA: {'b' * 9_000}\r\n\r\n", 431),
        ("GET /health HTTP/1.1\r\n" + f"A: {'b' * 8_000}\r\n" * 20 + "\r\n", 431),
        ("GET /health HTTP/1.1\r\n" + "A: b\r\n" * 1_000 + "\r\n", 431),
        ("nonsense\r\n\r\n", 400),
        ("GET /health HTTP/9.9\r\n\r\n", 505),
        (POST + "Content-Length: -1\r\n\r\n", 400),
        (POST + "Content-Length: +5\r\n\r\nhello", 400),
        (POST + "Content-Length: 1_0\r\n\r\nhello", 400),
        (POST + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", 400),
        (POST + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (POST + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (POST + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501),
        (POST + "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", 400),
        (POST + f"Content-Length: {LIMIT + 1}\r\n\r\n" + "x" * (LIMIT + 1), 413),
        (POST + f"Content-Length: {10**17}\r\n\r\n", 413),
        (POST + "Transfer-Encoding: chunked\r\n\r\n" + "2000\r\n" + "x" * 8192 + "\r\n", 400),
        (
            POST
            + "Transfer-Encoding: chunked\r\n\r\n"
            + ("2000\r\n" + "x" * 8192 + "\r\n") * 16
            + "0\r\n\r\n",
            413,
        ),
    ],
)
def test_what_is_too_much_or_no_request(door: Service, request_line: str, wanted: int) -> None:
    answer = talk(door, request_line.encode())
    assert status(answer) == wanted, answer[:200]
    assert b"Traceback" not in answer
    assert answers(door)


def test_a_body_may_come_in_chunks(door: Service) -> None:
    pieces = b"".join(b"%x\r\n%s\r\n" % (1, BODY[at : at + 1]) for at in range(len(BODY)))
    answer = talk(
        door, (POST + "Transfer-Encoding: chunked\r\n\r\n").encode(), pieces, b"0\r\n\r\n"
    )
    assert status(answer) == 201


def test_a_body_that_ends_too_early_is_malformed(door: Service) -> None:
    answer = talk(door, (POST + f"Content-Length: {len(BODY) + 5}\r\n\r\n").encode(), BODY)
    assert status(answer) == 400


def test_nothing_is_unpacked(door: Service) -> None:
    found = requests.post(
        door.url + "/api/pms/products",
        data=gzip.compress(BODY),
        headers={
            "X-API-Key": ADMIN_KEY,
            "Content-Type": "application/json",
            "Content-Encoding": "gzip",
        },
        timeout=10,
    )
    assert found.status_code == 415


def test_requests_in_one_go_are_answered_in_turn(door: Service) -> None:
    posts = (POST + f"Content-Length: {len(BODY)}\r\n\r\n").encode() + BODY
    get = f"GET /api/products HTTP/1.1\r\nHost: x\r\n{KEY}\r\n".encode()
    last = b"GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = talk(door, posts * 3 + get + last)
    found = [int(code) for code in re.findall(rb"HTTP/1\.1 (\d+) ", answer)]
    assert found == [201, 201, 201, 200, 404]


def test_what_is_left_of_a_refused_body_is_no_request(door: Service) -> None:
    hidden = f"GET /health HTTP/1.1\r\nHost: x\r\n{KEY}\r\n"
    body = "x" * LIMIT + hidden
    answer = talk(door, (POST + f"Content-Length: {len(body)}\r\n\r\n{body}").encode())
    assert answer.count(b"HTTP/1.1 ") == 1
    assert status(answer) == 413


def trickle(wire: socket.socket, piece: bytes, seconds: float) -> bytes:
    """Send a little again and again until an answer comes; all of the answer."""
    wire.settimeout(0.5)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            wire.sendall(piece)
            first = wire.recv(65_536)
        except TimeoutError:
            continue
        except ConnectionError:
            return b""
        return first
    raise AssertionError("the door still listens")


def talk_long(service: Service, seconds: float) -> bool:
    """Whether a websocket still answers after so long."""
    url = service.url.replace("http", "ws", 1) + "/socket.io/?EIO=4&transport=websocket"
    with closing(websocket.create_connection(url, timeout=40)) as wire:
        wire.send("40" + json.dumps({"token": ADMIN_KEY}))
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if wire.recv() == "2":
                wire.send("3")
        wire.send('421["subscribe_system"]')
        wait_until(lambda: wire.recv().startswith("431"), 10)
        return True


def test_slow_clients_are_sent_away_and_cost_others_nothing(door: Service) -> None:
    slow: dict[str, tuple[bytes, bytes, float]] = {
        "headers": (b"GET /health HTTP/1.1\r\nA: ", b"b", HEADER_SECONDS),
        "body": ((POST + "Content-Length: 50000\r\n\r\n").encode(), b"x", BODY_SECONDS),
        "chunks": (
            (POST + "Transfer-Encoding: chunked\r\n\r\n").encode(),
            b"1\r\nx\r\n",
            BODY_SECONDS,
        ),
        "silence": ((POST + "Content-Length: 50000\r\n\r\n").encode(), b"", BODY_SECONDS),
        "polling": (
            b"POST /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nContent-Length: 900\r\n\r\n",
            b"x",
            BODY_SECONDS,
        ),
    }

    def one(begin: bytes, piece: bytes, seconds: float) -> bytes:
        with closing(dial(door)) as wire:
            wire.sendall(begin)
            return trickle(wire, piece, seconds + 10)

    # Many more than there are threads for anything.
    crowd = [dial(door) for _ in range(200)]
    for wire in crowd:
        wire.sendall(b"GET /health HTTP/1.1\r\nA: b")
    with ThreadPoolExecutor(len(slow) + 1) as pool:
        # A websocket is beyond the deadlines of requests.
        long = pool.submit(talk_long, door, max(HEADER_SECONDS, BODY_SECONDS) + 1)
        ends = {name: pool.submit(one, *how) for name, how in slow.items()}
        began = time.monotonic()
        assert answers(door)
        assert time.monotonic() - began < 1
    assert long.result()
    for name, end in ends.items():
        answer = end.result()
        assert status(answer) in (400, 408) if answer else name != "body", (name, answer)
    for wire in crowd:
        assert status(read(wire)) == 408
        wire.close()


def test_refusals_tell_nothing_of_keys(door: Service) -> None:
    def get(secret: str | None) -> requests.Response:
        headers = {"X-API-Key": secret} if secret is not None else {}
        return requests.get(door.url + "/api/keys", headers=headers, timeout=10)

    told = [
        get(secret)
        for secret in (None, "", "pms_unknown", ADMIN_KEY[:-1], ADMIN_KEY + "0", "x" * 5_000)
    ]
    assert {found.status_code for found in told} == {401}
    alike = {json.dumps({**found.json(), "requestId": None}, sort_keys=True) for found in told}
    assert len(alike) == 1
    assert len({tuple(sorted(found.headers)) for found in told}) == 1
