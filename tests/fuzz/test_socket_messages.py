"""Any JSON, any bytes, any order, floods: afterwards the connection and the server live."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import websocket
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from tests.functional.service import ADMIN_KEY, Api, Service, is_healthy
from tests.functional.test_sockets import Socket
from tests.fuzz.conftest import EFFORT
from tests.fuzz.test_rest import first_fault
from web.socket_subscriptions import TOPICS

# A client's own end of the connection is no fault of ours.
_LEAVES = ("41",)
_events = (
    st.sampled_from([f"{verb}_{name}" for verb in ("subscribe", "unsubscribe") for name in TOPICS])
    | st.sampled_from(["connect", "disconnect", "message", "client_message", ""])
    | st.text()
)
_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True)
    | st.text()
    | st.uuids().map(str),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
_topics = st.fixed_dictionaries(
    {},
    optional={
        "productId": _json,
        "orderId": _json,
        "operationId": _json,
        "since": _json,
        "surprise": _json,
    },
)
_number = st.just("") | st.integers(min_value=0, max_value=10**30).map(str)


@st.composite
def _messages(draw: st.DrawFn) -> str:
    """Something that looks like a message, with whatever arguments."""
    arguments = draw(st.lists(_topics | _json, max_size=3))
    return f"42{draw(_number)}" + json.dumps([draw(_events), *arguments])


def _stays(packet: str | bytes) -> bool:
    """Whether a packet is none that asks to be disconnected."""
    return isinstance(packet, bytes) or not packet.startswith(_LEAVES)


_NOTHING = ["41", "1", "0", "5", "6"]
_packets = (
    _messages()
    | _json.map(lambda value: "42" + json.dumps(value))
    | st.from_regex(r"4[0-9][-0-9/,\[\]{}\"a-z]{0,40}", fullmatch=True)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=60).map(lambda text: f"4{text}")
    | st.binary(max_size=200)
).filter(_stays)
_junk = st.text(st.characters(exclude_categories=["Cs"]), max_size=60) | st.binary(max_size=60)


@pytest.fixture(scope="module")
def product_id(api: Api) -> str:
    body = {"name": "Mug", "description": "", "price": 1, "categoryId": "c", "images": []}
    return str(api.post("/api/pms/products", json=body).json()["id"])


@pytest.fixture
def unharmed(service: Service) -> Iterator[None]:
    """Afterwards the service is well, and has not been surprised."""
    yield
    assert is_healthy(service)
    assert not first_fault(service)


def serves(socket: Socket, product_id: str) -> bool:
    """Whether a connection still answers what is asked."""
    # A number that nothing else here carries.
    socket._number = max(socket._number, 10**12)
    answer = socket.call("subscribe_inventory", product_id)
    return answer["ok"] is True and answer["snapshot"]["productId"] == product_id


@pytest.mark.usefixtures("unharmed")
def test_no_message_ends_the_connection(service: Service, product_id: str) -> None:
    @seed(EFFORT.seed)
    @settings(settings.get_profile("fuzz"))
    @given(st.lists(_packets, max_size=30))
    def talk(packets: list[str | bytes]) -> None:
        socket = Socket(service, ADMIN_KEY)
        try:
            for packet in packets:
                socket.send(packet)
            assert serves(socket, product_id)
        finally:
            socket.close()

    talk()


@pytest.mark.usefixtures("unharmed")
def test_what_is_no_packet_ends_at_most_its_own_connection(
    service: Service, product_id: str
) -> None:
    other = Socket(service, ADMIN_KEY)

    @seed(EFFORT.seed)
    @settings(settings.get_profile("fuzz"))
    @given(_json, st.lists(_packets | _junk | st.sampled_from(_NOTHING), max_size=20))
    def talk(token: Any, packets: list[str | bytes]) -> None:
        try:
            socket = Socket(service, ADMIN_KEY if token is None else token)
            for packet in packets:
                socket.send(packet)
            socket.close()
        except (OSError, websocket.WebSocketException):
            # The service has closed it in the middle of our words, as it may.
            pass

    talk()
    assert serves(other, product_id)
    other.close()


@pytest.mark.usefixtures("unharmed")
def test_a_flood_is_answered_whole(service: Service, product_id: str) -> None:
    socket = Socket(service, ADMIN_KEY)
    count = 50 * EFFORT.talks
    for number in range(count):
        socket.send(f"42{number}" + json.dumps(["subscribe_inventory", {"productId": number}]))
    assert serves(socket, product_id)
    socket.close()
