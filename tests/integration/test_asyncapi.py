"""The AsyncAPI document: as the standard has it, complete, and true of every event."""

from typing import Any

import jsonschema_rs
import pytest

from tests.factories.events import validator
from web.schemas.sockets import TOPICS
from web.socket_subscriptions import TOPICS as SERVED
from workers.events import EVENTS

# The parts of AsyncAPI 3.0.0 that the document uses, and nothing beside them: "Fixed Fields" of
# each object of the specification.
_REF = {
    "type": "object",
    "required": ["$ref"],
    "properties": {"$ref": {"type": "string", "pattern": "^#/"}},
    "additionalProperties": False,
}
_REFS = {"type": "array", "minItems": 1, "items": _REF}


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": False,
    }


def _map(pattern: str, of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "patternProperties": {pattern: of}, "additionalProperties": False}


_TEXT = {"type": "string", "minLength": 1}
_KEY = r"^[A-Za-z0-9_\-]+$"
ASYNCAPI_3 = _object(
    ["asyncapi", "info", "channels", "operations", "components"],
    asyncapi={"const": "3.0.0"},
    defaultContentType={"const": "application/json"},
    info=_object(["title", "version"], title=_TEXT, version=_TEXT, description=_TEXT),
    servers=_map(
        _KEY,
        _object(
            ["host", "protocol"],
            host={"type": "string", "pattern": "^[^/]+$"},
            pathname={"type": "string", "pattern": "^/"},
            protocol=_TEXT,
            description=_TEXT,
            security=_REFS,
        ),
    ),
    channels=_map(
        _KEY, _object(["messages"], address=_TEXT, title=_TEXT, messages=_map(_KEY, _REF))
    ),
    operations=_map(
        _KEY,
        _object(
            ["action", "channel"],
            action={"enum": ["send", "receive"]},
            channel=_REF,
            messages=_REFS,
            reply=_object([], channel=_REF, messages=_REFS),
        ),
    ),
    components=_object(
        ["messages", "schemas", "securitySchemes"],
        messages=_map(
            _KEY,
            _object(
                ["payload"], name=_TEXT, title=_TEXT, summary=_TEXT, payload={"type": "object"}
            ),
        ),
        schemas=_map(_KEY, {"type": "object"}),
        securitySchemes=_map(
            _KEY,
            _object(
                ["type", "in"],
                type={"const": "apiKey"},
                description=_TEXT,
                **{"in": {"enum": ["user", "password"]}},
            ),
        ),
    ),
)


@pytest.fixture(scope="module")
def document(session_app: Any) -> dict[str, Any]:
    found = session_app.test_client().get("/asyncapi.json")
    assert found.status_code == 200
    assert found.content_type == "application/json"
    return found.json  # type: ignore[no-any-return]


def resolved(document: dict[str, Any], reference: str) -> Any:
    found: Any = document
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [one for item in value.values() for one in references(item)]
    return [one for item in value for one in references(item)] if isinstance(value, list) else []


def test_it_is_as_the_standard_has_it(document: dict[str, Any]) -> None:
    jsonschema_rs.validate(ASYNCAPI_3, document)
    for reference in references(document):
        assert resolved(document, reference), reference


def test_behind_tls_the_protocol_is_that_of_the_client(
    session_app: Any, document: dict[str, Any]
) -> None:
    behind = session_app.test_client().get(
        "/asyncapi.json", base_url="http://shop.example", headers={"X-Forwarded-Proto": "https"}
    )
    server = behind.json["servers"]["service"]
    assert (server["protocol"], server["host"]) == ("wss", "shop.example")
    assert document["servers"]["service"]["protocol"] == "ws"
    jsonschema_rs.validate(ASYNCAPI_3, behind.json)


def test_operations_use_messages_of_their_channel(document: dict[str, Any]) -> None:
    """An operation's messages are references into its channel (Operation Object, messages)."""
    for operation in document["operations"].values():
        for part in (operation, operation.get("reply", operation)):
            begin = part["channel"]["$ref"] + "/messages/"
            assert all(message["$ref"].startswith(begin) for message in part["messages"])


def test_every_schema_is_one(document: dict[str, Any]) -> None:
    for name in document["components"]["schemas"]:
        jsonschema_rs.validator_for(
            {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        )
    assert '"title": "' not in str(document["components"]["schemas"])


def test_every_event_and_every_message_is_there(document: dict[str, Any]) -> None:
    assert TOPICS.keys() == SERVED.keys()
    sent = {
        name.removeprefix("tell_")
        for name, operation in document["operations"].items()
        if operation["action"] == "send"
    }
    received = {
        name
        for name, operation in document["operations"].items()
        if operation["action"] == "receive"
    }
    assert sent == {*EVENTS, "request_error"}
    assert received == {
        f"{verb}_{name}" for verb in ("subscribe", "unsubscribe") for name in SERVED
    }
    assert {reference.rpartition("/")[2] for reference in references(document["operations"])} - {
        "namespace"
    } == set(document["components"]["messages"])


OPERATION = "0193599a-7d12-7e03-b2a1-9c8d7e6f5a4b"
TOLD = {"cursor": "x", "position": 7}
ALERT = {"type": "low_stock", "message": "Mug is low.", "productId": OPERATION, **TOLD}


@pytest.mark.parametrize(
    ("data", "fits"),
    [
        (ALERT, True),
        ({**ALERT, "stock": 4, "threshold": 5}, True),
        ({**ALERT, "type": "component_away", "component": "redis", "resolved": True}, True),
        ({**ALERT, "type": "burning"}, False),
        ({**ALERT, "stock": None}, False),
        ({**ALERT, "stock": "4"}, False),
        ({**ALERT, "resolved": False}, False),
        ({**ALERT, "more": 1}, False),
        ({name: value for name, value in ALERT.items() if name != "cursor"}, False),
        ({**ALERT, "productId": "mug"}, False),
    ],
)
def test_the_schemas_are_strict(data: dict[str, Any], fits: bool) -> None:
    assert validator("SystemAlerted").is_valid(data) is fits


def test_no_key_is_needed_and_no_other_host_is_named(document: dict[str, Any]) -> None:
    assert "http" not in str(document)
