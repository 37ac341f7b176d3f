"""The protocol's connections, without a server around them."""

import socket
from types import SimpleNamespace

from web.server_protocol import Protocol


def test_a_large_answer_does_not_wait_for_an_acknowledgement() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        taken, _ = server.accept()
    protocol = Protocol.__new__(Protocol)
    protocol.request, protocol.client_address = taken, client.getsockname()
    protocol.server = SimpleNamespace(get_environ=dict)
    protocol.setup()
    assert taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    for one in (protocol.wfile, protocol.rfile, taken, client):
        one.close()
