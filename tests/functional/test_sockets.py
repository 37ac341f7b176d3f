"""Sockets of a running service, spoken to on the wire, as Socket.IO clients do."""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import pytest
import requests
import websocket

from tests.functional.flow import Flow
from tests.functional.service import Api, Service, wait_until

UNKNOWN = "01890000-0000-7000-8000-000000000000"


class Socket:
    """A websocket client that keeps everything in the order in which it came.

    The Python client of Socket.IO hands events to threads of their own, and loses the order.
    """

    def __init__(self, service: Service, token: Any, **said: Any) -> None:
        url = service.url.replace("http", "ws", 1)
        self._wire = websocket.create_connection(
            f"{url}/socket.io/?EIO=4&transport=websocket", timeout=30
        )
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.open = json.loads(self._receive()[1:])
        self._wire.send("40" + json.dumps({"token": token, **said}))
        self.welcome = self._receive()
        self._number = 0

    def call(self, event: str, *arguments: Any) -> dict[str, Any]:
        """Send a message and wait for its acknowledgement."""
        self._number += 1
        self.send(f"42{self._number}" + json.dumps([event, *arguments]))
        begin = f"43{self._number}["
        while not (packet := self._receive()).startswith(begin):
            self._keep(packet)
        found: dict[str, Any] = json.loads(packet[len(begin) - 1 :])[0]
        return found

    def send(self, packet: str | bytes) -> None:
        """Send anything."""
        if isinstance(packet, bytes):
            self._wire.send_binary(packet)
        else:
            self._wire.send(packet)

    def wait_for(self, event: str, count: int = 1, **wanted: Any) -> list[dict[str, Any]]:
        """Wait until so many such events have come."""
        while True:
            found = [
                data
                for name, data in self.events
                if name == event and wanted.items() <= data.items()
            ]
            if len(found) >= count:
                return found
            self._keep(self._receive())

    def wait_for_end(self) -> None:
        """Wait until the service closes the connection."""
        while packet := self._receive():
            self._keep(packet)

    def close(self) -> None:
        self._wire.close()

    def _receive(self) -> str:
        while True:
            try:
                packet = self._wire.recv()
            except (ConnectionError, websocket.WebSocketConnectionClosedException):
                return ""
            if packet != "2":
                return str(packet)
            self._wire.send("3")

    def _keep(self, packet: str) -> None:
        assert packet, "the service has closed the connection"
        if packet.startswith("42"):
            name, data = json.loads(packet[2:])
            self.events.append((name, data))


Connect = Callable[..., Socket]


@pytest.fixture
def connect(service: Service, make_key: Callable[..., str]) -> Iterator[Connect]:
    made: list[Socket] = []

    def open_one(token: Any = None, **said: Any) -> Socket:
        found = Socket(service, make_key(scopes=["read"]) if token is None else token, **said)
        made.append(found)
        return found

    yield open_one
    for one in made:
        one.close()


def adjust(api: Api, product: str, quantity: int = 1, kind: str = "increment") -> Any:
    """Adjust and wait for the end."""
    body = {"productId": product, "quantity": quantity, "type": kind}
    return api.post("/api/inventory/adjust", json=body, headers={"Prefer": "wait=20"})


def same_as_rest(snapshot: dict[str, Any], answer: requests.Response) -> bool:
    """Whether a snapshot says what REST says, letter for letter; it has its place beside."""
    told = answer.json()
    # What was asked for, and what tried it again, is told where a person looks, and not to every
    # listener.
    for name in ("payload", "retriedBy", "productName"):
        told.pop(name, None)
    return bool({**snapshot, **told} == snapshot)


@pytest.mark.parametrize("token", ["nobody", "", 5, {"a": []}, ["x"], "x" * 5000])
def test_a_bad_token_is_told_so(connect: Connect, token: Any) -> None:
    assert connect(token).welcome == '44{"message":"unauthorized"}'


@pytest.mark.parametrize(
    ("host", "origin", "wanted"),
    [
        ({"Host": "shop.example"}, "http://shop.example", 200),
        # Behind TLS, whether the proxy says so or not.
        ({"Host": "shop.example"}, "https://shop.example", 200),
        ({"Host": "shop.example:8443"}, "https://shop.example:8443", 200),
        ({"Host": "shop.example", "X-Forwarded-Proto": "https"}, "https://shop.example", 200),
        ({"X-Forwarded-Host": "shop.example, inner"}, "https://shop.example", 200),
        ({"Host": "shop.example", "X-Forwarded-Host": "inner"}, "https://shop.example", 200),
        ({"Host": "shop.example"}, "https://evil.example", 400),
        ({"Host": "shop.example"}, "https://shop.example:8443", 400),
        ({"Host": "shop.example"}, "null", 400),
        ({"Host": "shop.example"}, "https://", 400),
    ],
)
def test_pages_of_the_same_host_may_open_sockets(
    service: Service, host: dict[str, str], origin: str, wanted: int
) -> None:
    polled = requests.get(
        service.url + "/socket.io/?EIO=4&transport=polling",
        headers={**host, "Origin": origin},
        timeout=10,
    )
    assert polled.status_code == wanted, polled.text


def test_a_snapshot_then_every_event(
    connect: Connect, api: Api, new_product: Callable[..., str]
) -> None:
    product = new_product(stock=7)
    socket = connect()
    found = socket.call("subscribe_inventory", product)
    assert found["ok"] is True
    assert found["position"] == found["snapshot"]["position"] == 1
    assert found["snapshot"]["stock"] == 7
    rest = api.get(f"/api/inventory/stock/{product}").json()
    assert {**rest, "position": 1} == found["snapshot"]
    for _ in range(3):
        assert adjust(api, product).status_code == 200
    events = socket.wait_for("inventory_update", 3)
    assert [(one["position"], one["version"], one["stock"]) for one in events] == [
        (2, 2, 8),
        (3, 3, 9),
        (4, 4, 10),
    ]
    assert all(one["productId"] == product and one["cursor"] for one in events)


def test_what_was_missed_is_sent_before_the_answer(
    connect: Connect, api: Api, new_product: Callable[..., str]
) -> None:
    product = new_product(stock=7)
    first = connect()
    cursor = first.call("subscribe_inventory", {"productId": product})["cursor"]
    first.close()
    for _ in range(3):
        adjust(api, product)
    socket = connect()
    found = socket.call("subscribe_inventory", {"productId": product, "since": cursor})
    assert found["recovered"] is True
    assert [data["position"] for _, data in socket.events] == [2, 3, 4]
    foreign = {"productId": product, "since": "0123456789ab.1"}
    assert socket.call("subscribe_inventory", foreign)["recovered"] is False


def test_orders_products_and_operations_are_told(
    connect: Connect,
    api: Api,
    make_key: Callable[..., str],
    service: Service,
    new_product: Callable[..., str],
) -> None:
    product = new_product(stock=7)
    secret = make_key(scopes=["write"])
    mine, other = connect(secret), connect()
    body = {
        "items": [{"productId": product, "quantity": 2}],
        "customerId": "c",
        "shippingAddress": "Somewhere 1",
    }
    operation = Api(service.url, secret).post("/api/pms/orders", json=body).json()
    order = operation["orderId"]
    # Without asking: the connections of the key that submitted it.
    ended = mine.wait_for("operation_update", operationId=operation["id"])[0]
    assert (ended["status"], ended["orderId"]) == ("succeeded", order)

    found = other.call("subscribe_order", order)
    assert found["snapshot"]["status"] == "pending"
    assert found["snapshot"]["position"] == found["position"] == 1
    assert same_as_rest(found["snapshot"], api.get(f"/api/pms/orders/{order}"))
    told = other.call("subscribe_product", product)["snapshot"]
    assert told["status"] == "draft"
    assert same_as_rest(told, api.get(f"/api/products/{product}"))
    assert isinstance(told["price"], float), "money is a number on every wire"
    moved = api.patch(f"/api/pms/orders/{order}/status", json={"status": "confirmed"}).json()
    shown = other.call("subscribe_operation", operation["id"])["snapshot"]
    assert same_as_rest(shown, api.get(f"/api/operations/{operation['id']}"))
    assert other.call("subscribe_operation", moved["id"])["snapshot"]["id"] == moved["id"]
    event = other.wait_for("order_status", orderId=order)[0]
    assert (event["status"], event["position"]) == ("confirmed", 2)
    api.put(f"/api/pms/products/{product}/publish", json={"status": "published"})
    event = other.wait_for("product_update", productId=product)[0]
    assert (event["status"], event["position"], event["version"]) == ("published", 2, 2)
    adjust(api, product, 5, "decrement")
    alert = other.wait_for("system_alert", productId=product, type="out_of_stock")[0]
    assert {"message", "cursor", "position"} <= alert.keys()


def test_everybody_is_in_two_streams_and_can_recover_them(
    connect: Connect,
    service: Service,
    make_key: Callable[..., str],
    new_product: Callable[..., str],
) -> None:
    product = new_product(stock=7)
    secret = make_key(scopes=["write"])
    socket = connect(secret)
    begin = socket.call("subscribe_operations")["cursor"]
    assert socket.call("subscribe_system", {})["ok"] is True
    submitted = [adjust(Api(service.url, secret), product).json()["id"] for _ in range(3)]
    told = [one["operationId"] for one in socket.wait_for("operation_update", 3)]
    assert told == submitted
    late = connect(secret)
    assert late.call("subscribe_operations", {"since": begin})["recovered"] is True
    assert [data["operationId"] for _, data in late.events] == submitted


@pytest.mark.parametrize(
    ("topic", "event"), [("operations", "operation_update"), ("system", "system_alert")]
)
def test_who_comes_again_while_events_flow_is_told_all_in_order(
    connect: Connect,
    service: Service,
    make_key: Callable[..., str],
    new_product: Callable[..., str],
    topic: str,
    event: str,
) -> None:
    secret = make_key(scopes=["write"])
    products = [new_product(stock=1, lowStockThreshold=0) for _ in range(4)]
    heard: list[dict[str, Any]] = []
    with Flow(service.url, secret, products) as flow:
        for _ in range(5):
            since = {"since": heard[-1]["cursor"]} if heard else {}
            socket = connect(secret)
            # New things happen before it has said where it was.
            flow.go_on()
            answer = socket.call(f"subscribe_{topic}", since)
            assert answer.get("recovered") is (True if since else None)
            told = len([name for name, _ in socket.events if name == event])
            heard += socket.wait_for(event, told + 3)
            socket.close()
            flow.go_on()
    positions = [data["position"] for data in heard]
    assert positions == list(range(positions[0], positions[0] + len(positions)))


def test_who_comes_again_to_an_operation_is_told_what_it_missed_before_what_is_new(
    connect: Connect,
    service: Service,
    make_key: Callable[..., str],
    new_product: Callable[..., str],
) -> None:
    secret, product = make_key(scopes=["write"]), new_product()
    witness = connect(secret)

    def wait_for_more() -> None:
        # What is on its way already comes before the answer.
        witness.call("subscribe_operations")
        told = [name for name, _ in witness.events if name == "operation_update"]
        witness.wait_for("operation_update", len(told) + 1)

    body = "productId,quantity,type\n" + f"{product},1,increment\n" * 30_000
    operation = Api(service.url, secret).post(
        "/api/inventory/adjustments?dryRun=true", data=body, headers={"Content-Type": "text/csv"}
    )
    asked = {"operationId": operation.json()["id"]}
    first = connect(secret, unasked=False)
    begin = first.call("subscribe_operation", asked)
    first.close()
    wait_for_more()
    socket = connect(secret)
    with ThreadPoolExecutor(1) as pool:
        more = pool.submit(wait_for_more)
        # It has asked for nothing else yet, and takes its time.
        while not more.done():
            assert socket.call("subscribe_system")["ok"] is True
            wait([more], 0.3)
    more.result()
    answer = socket.call("subscribe_operation", {**asked, "since": begin["cursor"]})
    assert answer["recovered"] is True
    told, all_of_it = (
        [one["position"] for name, one in client.events if name == "operation_update"]
        for client in (socket, witness)
        if client.wait_for("operation_update", status="succeeded")
    )
    assert told == [position for position in all_of_it if position > begin["position"]]


def test_who_has_to_wait_before_it_may_ask_is_told_in_order_too(
    connect: Connect,
    service: Service,
    make_key: Callable[..., str],
    new_product: Callable[..., str],
) -> None:
    secret = make_key(scopes=["write"], wsRate="1/second")
    products = [new_product(stock=1, lowStockThreshold=0) for _ in range(4)]
    first = connect(secret)
    begin = first.call("subscribe_system")
    first.close()
    with Flow(service.url, secret, products) as flow:
        flow.go_on()
        socket = connect(secret)
        while "retryAfter" not in (refused := socket.call("subscribe_system", {"since": "x"})):
            assert refused["error"] == "invalid"
        answer = refused
        while "retryAfter" in answer:
            # Longer than a client that says nothing has to wait.
            time.sleep(answer["retryAfter"] + 0.5)
            answer = socket.call("subscribe_system", {"since": begin["cursor"]})
    assert answer["recovered"] is True
    positions = [data["position"] for data in socket.wait_for("system_alert", 4)]
    assert positions == list(range(begin["position"] + 1, begin["position"] + 1 + len(positions)))


def test_who_says_nothing_is_told_all_that_happens_from_the_connection_on(
    connect: Connect,
    service: Service,
    make_key: Callable[..., str],
    new_product: Callable[..., str],
) -> None:
    secret, product = make_key(scopes=["write"]), new_product(stock=7)
    silent = connect(secret)
    asked_only = connect(secret, unasked=False)
    mine = Api(service.url, secret)
    submitted = [adjust(mine, product).json()["id"] for _ in range(3)]
    told = silent.wait_for("operation_update", 3)
    assert [one["operationId"] for one in told] == submitted
    # What came before it asked is in what it is answered; what comes from then on is told.
    assert asked_only.call("subscribe_operations")["position"] == told[-1]["position"]
    assert asked_only.events == []
    submitted.append(adjust(mine, product).json()["id"])
    for socket in (silent, asked_only):
        assert socket.wait_for("operation_update", operationId=submitted[-1])
    assert len(asked_only.events) == 1
    assert len(silent.wait_for("operation_update", 4)) == 4


def test_an_answer_comes_after_what_it_knows_of(
    connect: Connect,
    service: Service,
    make_key: Callable[..., str],
    new_product: Callable[..., str],
) -> None:
    secret, product = make_key(scopes=["write"]), new_product(stock=7)
    socket, other = connect(secret), connect(secret)
    submitted = adjust(Api(service.url, secret), product).json()["id"]
    for one, ask in ((socket, "subscribe_operations"), (other, "subscribe_operation")):
        answer = one.call(ask, {} if one is socket else submitted)
        (told,) = [data for name, data in one.events if name == "operation_update"]
        assert (told["operationId"], told["position"]) == (submitted, answer["position"])


def test_who_unsubscribes_before_anything_was_told_is_told_nothing(
    connect: Connect,
    service: Service,
    make_key: Callable[..., str],
    new_product: Callable[..., str],
) -> None:
    secret, product = make_key(scopes=["write"]), new_product(stock=7)
    out, witness = connect(secret), connect(secret)
    assert out.call("unsubscribe_operations") == {"ok": True}
    submitted = adjust(Api(service.url, secret), product).json()["id"]
    witness.wait_for("operation_update", operationId=submitted)
    # The other one has come later, and has been let in.
    assert out.call("subscribe_inventory", product)["ok"] is True
    assert [name for name, _ in out.events if name == "operation_update"] == []


def test_who_unsubscribes_is_told_nothing_more(
    connect: Connect, api: Api, new_product: Callable[..., str]
) -> None:
    product, other = new_product(stock=7), new_product(stock=7)
    socket = connect()
    for one in (product, other):
        socket.call("subscribe_inventory", one)
    assert socket.call("unsubscribe_inventory", {"productId": product}) == {"ok": True}
    assert socket.call("unsubscribe_inventory", product) == {"ok": True}
    adjust(api, product)
    adjust(api, other)
    socket.wait_for("inventory_update", productId=other)
    assert [data["productId"] for name, data in socket.events if name == "inventory_update"] == [
        other
    ]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((), "invalid"),
        (("a", "b"), "invalid"),
        ((None,), "invalid"),
        ((5,), "invalid"),
        ((True,), "invalid"),
        (([],), "invalid"),
        (({},), "invalid"),
        (({"productId": 5},), "invalid"),
        (({"product_id": UNKNOWN},), "invalid"),
        (({"productId": UNKNOWN, "more": 1},), "invalid"),
        (({"productId": UNKNOWN, "since": 5},), "invalid"),
        (({"productId": UNKNOWN, "since": "yesterday"},), "invalid"),
        (("\ud800",), "invalid"),
        ((float("nan"),), "invalid"),
        (("x" * 10_000,), "invalid"),
        (("nope",), "unknown-product"),
        (("\0",), "unknown-product"),
        ((UNKNOWN,), "unknown-product"),
        ((UNKNOWN.replace("-", ""),), "unknown-product"),
        (({"productId": UNKNOWN},), "unknown-product"),
    ],
)
def test_what_cannot_be_served_is_answered(
    connect: Connect, arguments: tuple[Any, ...], error: str
) -> None:
    socket = connect()
    assert socket.call("subscribe_inventory", *arguments)["error"] == error
    socket.send("42" + json.dumps(["subscribe_inventory", *arguments]))
    reported = socket.wait_for("request_error")[0]
    assert (reported["event"], reported["error"]) == ("subscribe_inventory", error)


@pytest.mark.parametrize(
    ("event", "error"),
    [
        ("subscribe_order", "unknown-order"),
        ("subscribe_product", "unknown-product"),
        ("subscribe_operation", "unknown-operation"),
        ("subscribe_nothing", "unknown-event"),
        ("connect", "unknown-event"),
        ("disconnect", "unknown-event"),
        ("client_message", "unknown-event"),
        ("", "unknown-event"),
        ("\ud800", "unknown-event"),
    ],
)
def test_unknown_names_are_answered(connect: Connect, event: str, error: str) -> None:
    assert connect().call(event, UNKNOWN)["error"] == error


@pytest.mark.parametrize(
    "packet",
    [
        "4",
        "4{}",
        "4[]",
        "4null",
        "4true",
        "4abc",
        "42",
        "42{}",
        "42[]",
        "42[1]",
        "42[{}]",
        "42900[null]",
        "42/elsewhere,[1]",
        "43[]",
        "431",
        "44{}",
        '451-["subscribe_inventory",{"_placeholder":true,"num":7}]',
        '459999999-["subscribe_inventory"]',
        "45",
        "46[]",
        "49",
        "42" + "[" * 5_000,
        "4" + "[" * 100_000,
        "42" + "1" * 200 + "[]",
        '42["subscribe_inventory",1e999]',
        b"",
        b"abc",
    ],
    ids=lambda packet: str(packet[:30]),
)
def test_no_packet_ends_the_connection(connect: Connect, packet: str | bytes) -> None:
    socket = connect()
    socket.send(packet)
    assert socket.call("subscribe_system")["ok"] is True
    socket.send("3")
    assert socket.call("subscribe_system")["ok"] is True


def test_long_polling_takes_many_messages_at_once(
    service: Service, make_key: Callable[..., str], new_product: Callable[..., str]
) -> None:
    session, url = requests.Session(), f"{service.url}/socket.io/?EIO=4&transport=polling"
    sid = json.loads(session.get(url, timeout=30).text[1:])["sid"]
    url += f"&sid={sid}"
    session.post(url, data="40" + json.dumps({"token": make_key()}), timeout=30)
    assert session.get(url, timeout=30).text.startswith("40{")
    product = new_product()
    packets = [
        f"42{number}" + json.dumps(["subscribe_inventory", product]) for number in range(100)
    ]
    assert session.post(url, data="\x1e".join(packets), timeout=30).text == "OK"
    answers: list[str] = []
    while len(answers) < 100:
        got = session.get(url, timeout=30).text.split("\x1e")
        assert len(got) <= 16
        answers += [one for one in got if one.startswith("43")]
    assert all('"ok":true' in one for one in answers)


def test_messages_over_the_rate_are_refused(connect: Connect, make_key: Callable[..., str]) -> None:
    secret = make_key(scopes=["read"], wsRate="5/minute")
    first, second = connect(secret), connect(secret)
    answers = [one.call("subscribe_system") for one in (first, second) * 3]
    assert [one.get("ok") for one in answers] == [True] * 5 + [None]
    assert answers[5]["error"] == "rate-limited"
    # What this minute has counts on in the next, until a fifth of that is over.
    assert 1 <= answers[5]["retryAfter"] <= 72
    first.send('42["subscribe_system"]')
    assert first.wait_for("request_error")[0]["error"] == "rate-limited"
    assert connect().call("subscribe_system")["ok"] is True


def test_a_revoked_key_ends_its_sockets(connect: Connect, api: Api) -> None:
    made = api.post("/api/keys", json={"name": "short", "scopes": ["read"]}).json()
    socket = connect(made["secret"])
    assert socket.call("subscribe_system")["ok"] is True
    assert api.delete(f"/api/keys/{made['id']}").ok
    began = time.monotonic()
    socket.wait_for_end()
    assert time.monotonic() - began < 5
    wait_until(lambda: "unauthorized" in connect(made["secret"]).welcome, 5)


def test_the_51st_connection_is_refused_and_a_freed_place_is_taken(
    connect: Connect, api: Api, make_key: Callable[..., str]
) -> None:
    secret = make_key(scopes=["read"])
    sockets = [connect(secret) for _ in range(50)]
    assert all(one.welcome.startswith("40{") for one in sockets)
    wait_until(lambda: api.get("/health").json()["checks"]["websocket"]["connections"] >= 50)
    began = time.monotonic()
    assert connect(secret).welcome == '44{"message":"too-many-connections"}'
    assert time.monotonic() - began > 4
    sockets[0].close()
    began = time.monotonic()
    assert connect(secret).welcome.startswith("40{")
    assert time.monotonic() - began < 3


def test_at_most_500_subscriptions(
    connect: Connect, api: Api, new_product: Callable[..., str]
) -> None:
    with ThreadPoolExecutor(4) as pool:
        products = list(pool.map(lambda _: new_product(), range(501)))
    socket = connect()
    for product in products[:500]:
        assert socket.call("subscribe_inventory", product)["ok"] is True
    assert socket.call("subscribe_inventory", products[500])["error"] == "too-many-subscriptions"
    assert socket.call("subscribe_inventory", products[0])["ok"] is True
    assert socket.call("subscribe_system")["ok"] is True
    socket.call("unsubscribe_inventory", products[0])
    assert socket.call("subscribe_inventory", products[500])["ok"] is True


def test_a_client_that_reads_nothing_is_closed(
    connect: Connect, service: Service, api: Api, new_product: Callable[..., str]
) -> None:
    products = [new_product() for _ in range(100)]
    body = {
        "items": [{"productId": product, "quantity": 1} for product in products],
        "customerId": "c",
        "shippingAddress": "x" * 2000,
    }
    order = api.post("/api/pms/orders", json=body).json()["orderId"]
    socket = connect()
    # Answers of more than 10 MB: more than the operating system keeps for a slow reader.
    for number in range(1000):
        socket.send(f"42{number}" + json.dumps(["subscribe_order", order]))
    wait_until(lambda: "socket_too_far_behind" in service.log.read_text(), 20)
    socket.wait_for_end()
    again = connect()
    assert again.call("subscribe_order", order)["ok"] is True
