"""What `pms doctor` finds of a pooler between it and PostgreSQL."""

import os
from typing import Any

import psycopg2
import pytest
from sqlalchemy import create_engine

from web import cli_findings as look
from web.cli_findings import Finding


def database_findings() -> dict[str, Finding]:
    return {one.about: one for one in look.database(os.environ["DATABASE_URL"])}


def test_a_session_has_what_it_asked_for() -> None:
    assert database_findings()["session"].state == "ok"


def test_a_pooler_that_drops_what_a_connection_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """As PgBouncer does with what its `ignore_startup_parameters` names."""

    def through_a_pooler(url: str, *, connect_args: dict[str, Any], **more: Any) -> Any:
        passed = {name: value for name, value in connect_args.items() if name != "options"}
        return create_engine(url, connect_args=passed, **more)

    monkeypatch.setattr("db.session.create_engine", through_a_pooler)
    found = database_findings()["session"]
    assert found.state == "wrong"
    assert "statement_timeout is 0, asked for: 5000" in found.found
    assert "idle_in_transaction_session_timeout is 0, asked for: 5000" in found.found
    assert "connect to PostgreSQL itself" in found.remedy


def test_a_pooler_that_refuses_what_a_connection_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """As PgBouncer does unless it is told otherwise; what asks for nothing is let in."""

    def refuse() -> Any:
        raise psycopg2.OperationalError(
            "FATAL:  unsupported startup parameter in options: statement_timeout\n"
        )

    monkeypatch.setattr(look, "make_engine", lambda url, **_: create_engine(url, creator=refuse))
    found = database_findings()["PostgreSQL"]
    assert found.state == "wrong"
    assert "connect to PostgreSQL itself" in found.remedy
