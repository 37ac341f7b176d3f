"""API keys over HTTP and on the command line: a secret is told once and kept nowhere."""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text
from structlog.testing import capture_logs

from db.models.api_key import hash_secret
from db.session import Database
from tests.servers import TestServers
from web.auth import keyring, register_first_key
from web.cli_checks import is_spent

UNKNOWN = "0198c0de-0000-7000-8000-000000000000"
FIRST = "pms_that_the_operator_has_given_and_rotates"
READER = {"name": "storefront", "scopes": ["read"]}


def pointers(answer: Any) -> set[str]:
    """The bad fields that a 422 names."""
    assert answer.status_code == 422, answer.text
    return {error["pointer"] for error in answer.json["errors"]}


def in_a_day() -> str:
    return (datetime.now(UTC) + timedelta(days=1)).isoformat()


class TestOverHttp:
    def test_a_key_opens_the_door_as_far_as_its_scopes(self, client: Any, client_with: Any) -> None:
        wanted = READER | {"rate": "200/minute", "wsRate": "9/second", "expiresAt": in_a_day()}
        made = client.post("/api/keys", json=wanted)
        assert made.status_code == 201
        secret = made.json["secret"]
        assert secret.startswith("pms_")
        assert {name: made.json[name] for name in ("name", "scopes", "rate", "wsRate")} == {
            name: wanted[name] for name in ("name", "scopes", "rate", "wsRate")
        }
        reader = client_with(secret)
        answer = reader.get("/api/products")
        assert (answer.status_code, answer.headers["RateLimit-Limit"]) == (200, "200")
        assert reader.get("/api/keys").status_code == 403
        assert reader.post("/api/pms/products", json={}).status_code == 403

    def test_the_secret_is_told_once_and_kept_nowhere(
        self, client: Any, database: Database
    ) -> None:
        headers = {"Idempotency-Key": "k-1"}
        made = client.post("/api/keys", json=READER, headers=headers).json
        again = client.post("/api/keys", json=READER, headers=headers)
        assert again.headers["Idempotent-Replayed"] == "true"
        assert again.status_code == 201
        assert again.json == made | {"secret": None}
        listed = client.get("/api/keys").json["items"]
        assert [key["name"] for key in listed] == ["storefront", "test"]
        assert "secret" not in listed[0]
        with database.transaction() as connection:
            dump = "SELECT string_agg(t::text, '') FROM {} t"
            for table in ("api_keys", "idempotency_keys"):
                kept = connection.execute(text(dump.format(table))).scalar_one()
                hidden = made["secret"].encode().hex()
                assert made["secret"] not in kept
                assert hidden not in kept

    @pytest.mark.parametrize(
        ("change", "pointer"),
        [
            ({"name": ""}, "/name"),
            ({"scopes": []}, "/scopes"),
            ({"scopes": ["read", "read"]}, "/scopes"),
            ({"scopes": ["root"]}, "/scopes/0"),
            ({"scopes": "read"}, "/scopes"),
            ({"rate": "often"}, "/rate"),
            ({"rate": "0/minute"}, "/rate"),
            ({"rate": "5/minute;9/hour"}, "/rate"),
            ({"rate": "99999999999/minute"}, "/rate"),
            ({"rate": "5/99 years"}, "/rate"),
            ({"rate": "5/\x00minute"}, "/rate"),
            ({"wsRate": 5}, "/wsRate"),
            ({"expiresAt": "2020-01-01T00:00:00Z"}, "/expiresAt"),
            ({"expiresAt": "2099-01-01"}, "/expiresAt"),
            ({"expiresAt": 4102444800}, "/expiresAt"),
            ({"secret": "pms_mine"}, "/secret"),
        ],
    )
    def test_a_bad_field_is_named(self, client: Any, change: dict[str, Any], pointer: str) -> None:
        assert pointers(client.post("/api/keys", json=READER | change)) == {pointer}

    def test_a_rotated_key_has_another_secret(self, client: Any, client_with: Any) -> None:
        made = client.post("/api/keys", json=READER).json
        path = f"/api/keys/{made['id']}/rotate"
        assert client_with(made["secret"]).get("/api/products").status_code == 200
        rotated = client.post(path, headers={"Idempotency-Key": "k-1"})
        assert rotated.status_code == 200
        assert rotated.json["id"] == made["id"]
        assert client_with(made["secret"]).get("/api/products").status_code == 401
        assert client_with(rotated.json["secret"]).get("/api/products").status_code == 200
        replayed = client.post(path, headers={"Idempotency-Key": "k-1"})
        assert replayed.json == rotated.json | {"secret": None}
        assert client_with(rotated.json["secret"]).get("/api/products").status_code == 200

    def test_the_first_key_stays_rotated_when_it_is_given_again(
        self, client: Any, client_with: Any, database: Database
    ) -> None:
        register_first_key(database, FIRST)
        made = client_with(FIRST).get("/api/keys/current").json
        for _ in range(2):
            secret = client.post(f"/api/keys/{made['id']}/rotate").json["secret"]
        # As every process does at its start.
        register_first_key(database, FIRST)
        keyring.forget()
        assert client_with(FIRST).get("/api/products").status_code == 401
        assert client_with(secret).get("/api/products").status_code == 200

    @pytest.mark.parametrize("end", ["rotate", "revoke", "demote"])
    def test_a_first_key_that_opens_nothing_is_told(
        self, client: Any, client_with: Any, database: Database, end: str
    ) -> None:
        with capture_logs() as logs:
            for _ in range(2):
                register_first_key(database, FIRST)
        assert logs == []
        key_id = client_with(FIRST).get("/api/keys/current").json["id"]
        if end == "rotate":
            client.post(f"/api/keys/{key_id}/rotate")
        elif end == "revoke":
            client.delete(f"/api/keys/{key_id}")
        else:
            with database.transaction() as connection:
                connection.execute(text("UPDATE api_keys SET scopes = '{write}'"))
        with capture_logs() as logs:
            register_first_key(database, FIRST)
        assert [line["event"] for line in logs] == ["first_key_is_no_live_admin_key"]
        assert is_spent(os.environ["DATABASE_URL"], FIRST)
        assert not is_spent(os.environ["DATABASE_URL"], "pms_nobody_knows_this_key_at_all")

    def test_another_first_key_tells_of_the_one_before(
        self, client: Any, client_with: Any, database: Database
    ) -> None:
        register_first_key(database, FIRST)
        first = client_with(FIRST).get("/api/keys/current").json["id"]
        with capture_logs() as logs:
            for _ in range(2):
                register_first_key(database, FIRST + "-2")
        (line,) = logs
        assert line["event"] == "first_key_before_is_live"
        assert line["remedy"] == f"`pms keys revoke {first}` ends it"
        client.delete(f"/api/keys/{first}")
        second = client_with(FIRST + "-2").get("/api/keys/current").json["id"]
        client.delete(f"/api/keys/{second}")
        with capture_logs() as logs:
            register_first_key(database, FIRST + "-3")
        assert logs == []

    def test_an_expired_key_is_not_rotated(self, client: Any, database: Database) -> None:
        made = client.post("/api/keys", json=READER | {"expiresAt": in_a_day()}).json
        with database.transaction() as connection:
            connection.execute(
                text("UPDATE api_keys SET expires_at = now() WHERE id = :id"), {"id": made["id"]}
            )
        answer = client.post(f"/api/keys/{made['id']}/rotate")
        assert (answer.status_code, answer.json["type"]) == (409, "/docs/problems/key-expired")

    def test_a_revoked_key_is_refused_for_good(self, client: Any, client_with: Any) -> None:
        made = client.post("/api/keys", json=READER).json
        path = f"/api/keys/{made['id']}"
        assert client_with(made["secret"]).get("/api/products").status_code == 200
        assert client.delete(path).status_code == 204
        assert client_with(made["secret"]).get("/api/products").status_code == 401
        revoked = client.get("/api/keys").json["items"][0]["revokedAt"]
        assert revoked is not None
        assert client.delete(path).status_code == 204
        assert client.get("/api/keys").json["items"][0]["revokedAt"] == revoked
        refused = client.post(path + "/rotate")
        assert (refused.status_code, refused.json["type"]) == (409, "/docs/problems/key-revoked")

    def test_an_expired_key_is_refused(
        self, client: Any, client_with: Any, database: Database
    ) -> None:
        made = client.post("/api/keys", json=READER | {"expiresAt": in_a_day()}).json
        with database.transaction() as connection:
            connection.execute(text("UPDATE api_keys SET expires_at = now() WHERE name <> 'test'"))
        keyring.forget()
        assert client_with(made["secret"]).get("/api/products").status_code == 401

    def test_an_unknown_key_is_not_found(self, client: Any) -> None:
        assert client.delete(f"/api/keys/{UNKNOWN}").status_code == 404
        assert client.post(f"/api/keys/{UNKNOWN}/rotate").status_code == 404

    def test_pages(self, client: Any) -> None:
        for number in range(5):
            client.post("/api/keys", json=READER | {"name": str(number)})
        names, query = [], {"limit": "2"}
        while True:
            page = client.get("/api/keys", query_string=query).json
            names += [key["name"] for key in page["items"]]
            if page["nextCursor"] is None:
                break
            query["cursor"] = page["nextCursor"]
        assert names == ["4", "3", "2", "1", "0", "test"]
        assert pointers(client.get("/api/keys?cursor=x")) == {"?cursor"}

    @pytest.mark.parametrize("scope", ["read", "write"])
    def test_only_admins_may(
        self, client_with: Any, make_key: Callable[..., str], scope: str
    ) -> None:
        other = client_with(make_key(scopes=[scope]))
        assert other.get("/api/keys").status_code == 403
        assert other.post("/api/keys", json=READER).status_code == 403
        assert other.post(f"/api/keys/{UNKNOWN}/rotate").status_code == 403
        assert other.delete(f"/api/keys/{UNKNOWN}").status_code == 403


class TestCommandLine:
    @pytest.fixture
    def pms(self, database: Database) -> Callable[..., Result]:
        """Run ``pms keys ...``."""
        from web.cli import main

        return lambda *words, **env: CliRunner().invoke(main, ["keys", *words], env=env)

    def test_create_prints_the_secret_alone(
        self, pms: Callable[..., Result], database: Database
    ) -> None:
        done = pms("create", "till", "--scope", "read", "--scope", "write", "--rate", "9/second")
        assert done.exit_code == 0, done.output
        secret = done.stdout.strip()
        with database.transaction() as connection:
            [key] = connection.execute(text("SELECT * FROM api_keys"))
        assert (key.name, key.scopes, key.rate) == ("till", ["read", "write"], "9/second")
        assert (key.ws_rate, key.expires_at) == (None, None)
        assert bytes(key.secret_hash) == hash_secret(secret)
        assert "till" in done.stderr
        assert secret not in done.stderr

    def test_list_shows_keys_without_their_secrets(self, pms: Callable[..., Result]) -> None:
        made = json.loads(pms("create", "till\x1b[2J", "--scope", "write", "--json").stdout)
        done = pms("list")
        assert made["id"] in done.stdout
        assert made["secret"] not in done.stdout
        assert "\x1b" not in done.stdout
        [listed] = json.loads(pms("list", "--json").stdout)
        assert listed == {name: made[name] for name in made if name != "secret"}

    def test_list_goes_through_all_pages(
        self, pms: Callable[..., Result], make_key: Callable[..., str]
    ) -> None:
        for _ in range(205):
            make_key()
        found = json.loads(pms("list", "--json").stdout)
        assert len({key["id"] for key in found}) == 205

    def test_rotate_and_revoke(self, pms: Callable[..., Result], client_with: Any) -> None:
        made = json.loads(pms("create", "till", "--scope", "read", "--json").stdout)
        rotated = pms("rotate", made["id"])
        assert rotated.exit_code == 0
        secret = rotated.stdout.strip()
        keyring.forget()
        assert client_with(made["secret"]).get("/api/products").status_code == 401
        assert client_with(secret).get("/api/products").status_code == 200
        revoked = pms("revoke", made["id"], "--json")
        assert json.loads(revoked.stdout)["revokedAt"] is not None
        keyring.forget()
        assert client_with(secret).get("/api/products").status_code == 401
        assert pms("revoke", made["id"]).exit_code == 0
        refused = pms("rotate", made["id"])
        assert (refused.exit_code, refused.stderr.count("\n")) == (3, 1)
        assert "revoked" in refused.stderr
        told = json.loads(pms("rotate", made["id"], "--json").stdout)
        assert (told["type"], told["exitCode"]) == ("/docs/problems/key-revoked", 3)

    def test_the_file_of_pms_up_follows_its_key(
        self, pms: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        own = os.environ["DATABASE_URL"]
        monkeypatch.setattr("web.cli_keyring.running_url", lambda _: own)
        file = tmp_path / "admin-key"
        words = ("create", "first", "--scope", "admin", "--json")
        kept, other = (json.loads(pms(*words).stdout) for _ in range(2))
        env = {"PMS_DATA_DIR": str(tmp_path), "DATABASE_URL": None}
        assert pms("rotate", other["id"], **env).exit_code == 0
        assert not file.exists()
        file.write_text(kept["secret"] + "\n")
        for command in ("rotate", "revoke"):
            done = pms(command, other["id"], **env)
            assert (done.exit_code, str(file) in done.stderr) == (0, False)
        assert file.read_text() == kept["secret"] + "\n"
        rotated = pms("rotate", kept["id"], **env)
        assert file.read_text() == rotated.stdout != kept["secret"] + "\n"
        assert file.stat().st_mode & 0o777 == 0o600
        assert f"{file} held the old secret, and holds the new one" in rotated.stderr
        revoked = pms("revoke", kept["id"], **env)
        assert f"{file} held it, and is removed" in revoked.stderr
        assert not file.exists()

    @pytest.mark.parametrize(
        ("command", "remedy"), [("rotate", "write the new one into it"), ("revoke", "remove it")]
    )
    def test_the_key_of_a_copy_of_the_shop_leaves_the_file_of_pms_up_alone(
        self, pms: Callable[..., Result], tmp_path: Path, command: str, remedy: str
    ) -> None:
        made = json.loads(pms("create", "first", "--scope", "admin", "--json").stdout)
        file = tmp_path / "admin-key"
        file.write_text(made["secret"] + "\n")
        done = pms(command, made["id"], PMS_DATA_DIR=str(tmp_path))
        assert f"{file} holds it too: if it is of this database, {remedy}" in done.stderr
        assert file.read_text() == made["secret"] + "\n"

    @pytest.mark.parametrize(
        ("given", "start"),
        [
            ("2099-01-31", "2099-01-31T00:00:00"),
            ("2099-01-31T18:00:00+01:00", "2099-01-31T17:00:00"),
            ("90d", (datetime.now(UTC) + timedelta(days=90)).date().isoformat()[:7]),
        ],
    )
    def test_expires(self, pms: Callable[..., Result], given: str, start: str) -> None:
        words = ("create", "till", "--scope", "read", "--expires", given, "--json")
        assert json.loads(pms(*words).stdout)["expiresAt"].startswith(start)

    @pytest.mark.parametrize(
        ("words", "part"),
        [
            (["--rate", "often"], "--rate 'often': must be a rate such as 100/minute"),
            (["--ws-rate", "0/day"], "--ws-rate '0/day': is out of range"),
            (["--expires", "yesterday"], "--expires 'yesterday': must be a time such as"),
            (["--expires", "2020-01-01"], "must be in the future"),
        ],
    )
    def test_what_is_wrong_is_told_in_one_line(
        self, pms: Callable[..., Result], words: list[str], part: str
    ) -> None:
        done = pms("create", "till", "--scope", "read", *words)
        assert (done.exit_code, done.stdout) == (2, "")
        assert part in done.stderr
        assert done.stderr.count("\n") == 1
        told = json.loads(pms("create", "till", "--scope", "read", "--json", *words).stdout)
        assert part in told["detail"]
        assert told["exitCode"] == 2

    @pytest.mark.parametrize(
        "words", [["create", "till"], ["create", "t", "--scope", "root"], ["revoke", "7"]]
    )
    def test_wrong_usage(self, pms: Callable[..., Result], words: list[str]) -> None:
        assert pms(*words).exit_code == 2

    def test_an_unknown_key(self, pms: Callable[..., Result]) -> None:
        for command in ("revoke", "rotate"):
            done = pms(command, UNKNOWN)
            assert (done.exit_code, done.stdout) == (4, "")
            assert "no such key" in done.stderr
            done = pms(command, UNKNOWN, "--json")
            told = json.loads(done.stdout)
            assert (told["type"], told["exitCode"]) == ("/docs/problems/not-found", 4)
            assert done.exit_code == 4

    def test_a_database_that_is_away(self, pms: Callable[..., Result]) -> None:
        done = pms("list", DATABASE_URL="postgresql://me:hidden@127.0.0.1:1/pms")
        assert done.exit_code == 1
        assert done.stderr.count("\n") == 1
        assert "hidden" not in done.stderr
        away = "postgresql://me:hidden@127.0.0.1:1/pms"
        told = json.loads(pms("list", "--json", DATABASE_URL=away).stdout)
        assert told["exitCode"] == 1
        assert "is away" in told["detail"]
        assert "hidden" not in told["detail"]

    def test_a_database_without_tables(
        self, pms: Callable[..., Result], servers: TestServers
    ) -> None:
        done = pms("list", DATABASE_URL=servers.postgres.url.removesuffix("/pms") + "/postgres")
        assert (done.exit_code, "pms migrate" in done.stderr) == (1, True)

    def test_the_embedded_database_is_found_by_its_folder(
        self, pms: Callable[..., Result], servers: TestServers
    ) -> None:
        folder = str(servers.postgres.folder.parent)
        made = pms("create", "till", "--scope", "read", DATABASE_URL="", PMS_DATA_DIR=folder)
        assert made.exit_code == 0, made.output
        assert "till" in pms("list").stdout

    def test_no_database_at_all(self, pms: Callable[..., Result], tmp_path: Any) -> None:
        done = pms("list", DATABASE_URL="", PMS_DATA_DIR=str(tmp_path))
        assert done.exit_code == 1
        assert "pms up" in done.stderr
        assert done.stderr.count("\n") == 1
