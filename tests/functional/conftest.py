"""Clients of a running service."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.functional.service import Api


@pytest.fixture
def make_key(api: Api) -> Callable[..., str]:
    """Make API keys over the API."""

    def make(scopes: list[str] | None = None, **more: Any) -> str:
        body = {"name": "test", "scopes": scopes or ["read", "write"], **more}
        found = api.post("/api/keys", json=body)
        assert found.status_code == 201, found.text
        return str(found.json()["secret"])

    return make
