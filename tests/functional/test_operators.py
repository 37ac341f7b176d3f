"""What operators are told, by a running service whose parts go away."""

import os
import signal
from typing import Any

from tests.functional.service import Api, Service, wait_until
from tests.functional.test_sockets import Socket
from tests.servers import TestServers


def alerts(api: Api, status: str) -> list[dict[str, Any]]:
    found = api.get("/api/system/alerts", params={"status": status})
    return list(found.json()["items"])


def test_redis_away_and_back(
    service: Service, servers: TestServers, api: Api, admin_key: str
) -> None:
    """Told to a connected client through the database, while Redis is away."""
    wait_until(lambda: alerts(api, "open") == [], 30)
    client = Socket(service, admin_key)
    os.kill(servers.valkey.pid, signal.SIGSTOP)
    try:
        (away,) = client.wait_for("system_alert", type="component_away", component="redis")
        assert "resolved" not in away
        assert [alert["component"] for alert in alerts(api, "open")] == ["redis"]
    finally:
        os.kill(servers.valkey.pid, signal.SIGCONT)
    both = client.wait_for("system_alert", 2, type="component_away", component="redis")
    assert both[1]["resolved"] is True
    assert both[1]["position"] > both[0]["position"]
    assert alerts(api, "open") == []
    assert alerts(api, "resolved")[0]["component"] == "redis"
