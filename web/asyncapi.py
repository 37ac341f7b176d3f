"""How sockets are described: AsyncAPI 3, out of the same schemas that write and read messages.

The document takes the service's side, as AsyncAPI 3 does: it *receives* what clients send and
*sends* what they are told. A Socket.IO namespace is one channel; an acknowledgement is the reply
of a message.
"""

from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from web.schemas.sockets import (
    TOPICS,
    ErrorAck,
    RequestError,
    SubscribedAck,
    UnsubscribedAck,
)
from workers.events import EVENTS

_CHANNEL = "namespace"
_REF = "#/components/schemas/{model}"
_DESCRIPTION = """
What is told over Socket.IO 4, and what clients may say. Every event carries its `position` in its
stream and a `cursor`; subscribe again with `since: cursor` after a break, and what was missed
comes first. Events of one product and of one order come in the order of the commits, once. The
ends of a key's own operations and the system's alerts come without asking, a second after the
connection, or with the answer to `subscribe_operations` and `subscribe_system`: a client that
comes again asks for these two first. With `auth: {token, unasked: false}` nothing of them is told
before it is subscribed to.
""".strip()
_ANSWERS: tuple[type[BaseModel], ...] = (SubscribedAck, UnsubscribedAck, ErrorAck)


def document(host: str, *, secure: bool = False) -> dict[str, Any]:
    """The AsyncAPI document of this service.

    Args:
        host: under which it is reached, with the port.
        secure: whether over TLS.
    """
    messages = {**_events(), **_client_messages(), **_answers()}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Backend PMS sockets",
            "version": version("backend-pms"),
            "description": _DESCRIPTION,
        },
        "defaultContentType": "application/json",
        "servers": {
            "service": {
                "host": host,
                "pathname": "/socket.io",
                "protocol": "wss" if secure else "ws",
                "description": "Socket.IO 4, by websocket or long polling",
                "security": [{"$ref": "#/components/securitySchemes/token"}],
            }
        },
        "channels": {
            _CHANNEL: {
                "address": "/",
                "title": "The namespace that every client connects to",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
            }
        },
        "operations": {**_sent(), **_received()},
        "components": {
            "messages": messages,
            "schemas": _schemas(),
            "securitySchemes": {
                "token": {
                    "type": "apiKey",
                    "in": "password",
                    "description": (
                        "An API key, as `auth: {token}` of the Socket.IO connection; with"
                        " `unasked: false` beside it, nothing is told without a subscription"
                    ),
                }
            },
        },
    }


def _schemas() -> dict[str, Any]:
    topics = {schema for _, schema in TOPICS.values()}
    _, read = models_json_schema(
        [(model, "validation") for model in sorted(topics, key=lambda one: one.__name__)],
        ref_template=_REF,
    )
    _, written = models_json_schema(
        [(model, "serialization") for model in (*_ANSWERS, RequestError, *EVENTS.values())],
        ref_template=_REF,
    )
    schemas = {**read["$defs"], **written["$defs"]}
    for event in EVENTS.values():
        schemas[event.__name__] = _as_told(schemas[event.__name__])
    schemas["RequestError"] = _without_null(schemas["RequestError"], {"detail", "retryAfter"})
    schemas["ErrorAck"] = _without_null(schemas["ErrorAck"], {"detail", "retryAfter"})
    schemas["SubscribedAck"] = _without_null(schemas["SubscribedAck"], {"recovered"})
    return {name: _untitled(schema) for name, schema in schemas.items()}


def _as_told(schema: dict[str, Any]) -> dict[str, Any]:
    """An event's data on the wire: what is null is left out, its place is added."""
    nullable = {
        name
        for name, field in schema["properties"].items()
        if {"type": "null"} in field.get("anyOf", ())
    }
    schema = _without_null(schema, nullable)
    place = {
        "cursor": {"type": "string", "description": "The client's place, for `since`"},
        "position": {"type": "integer", "description": "The event's number in its stream"},
    }
    return {
        **schema,
        "properties": {**schema["properties"], **place},
        "required": [*schema["required"], *place],
    }


def _without_null(schema: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """A schema of which some members are absent rather than null."""
    absent = set(names)
    properties = dict(schema["properties"])
    for name in absent:
        field = {key: value for key, value in properties[name].items() if key != "default"}
        kinds = [kind for kind in field.pop("anyOf", []) if kind != {"type": "null"}]
        properties[name] = {**kinds[0], **field} if len(kinds) == 1 else field | {"anyOf": kinds}
    required = [name for name in schema.get("required", ()) if name not in absent]
    return {**schema, "properties": properties, "required": required}


def _untitled(value: Any) -> Any:
    """Without the titles that only repeat a name."""
    if isinstance(value, list):
        return [_untitled(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: _untitled(item)
        for name, item in value.items()
        if not (name == "title" and isinstance(item, str))
    }


def _message(name: str, summary: str, payload: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "title": name, "summary": summary, "payload": payload}


def _ref(model: type[BaseModel]) -> dict[str, Any]:
    return {"$ref": _REF.format(model=model.__name__)}


def _summary(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().splitlines()[0]


def _events() -> dict[str, Any]:
    messages = {
        name: _message(name, _summary(event), _ref(event)) for name, event in EVENTS.items()
    }
    refused = _message("request_error", _summary(RequestError), _ref(RequestError))
    return {**messages, "request_error": refused}


def _client_messages() -> dict[str, Any]:
    messages = {}
    for topic, (text, schema) in TOPICS.items():
        payload: dict[str, Any] = _ref(schema)
        if schema.named is not None:
            plain = {"type": "string", "description": f"The same as `{{{schema.named}}}`"}
            payload = {"anyOf": [plain, payload]}
        subscribe, unsubscribe = f"subscribe_{topic}", f"unsubscribe_{topic}"
        messages[subscribe] = _message(subscribe, text, payload)
        messages[unsubscribe] = _message(unsubscribe, f"No more of it: {text}", payload)
    return messages


def _answers() -> dict[str, Any]:
    names = {
        SubscribedAck: "subscribed",
        UnsubscribedAck: "unsubscribed",
        ErrorAck: "refused",
    }
    return {name: _message(name, _summary(model), _ref(model)) for model, name in names.items()}


def _place(*names: str) -> dict[str, Any]:
    return {
        "channel": {"$ref": f"#/channels/{_CHANNEL}"},
        "messages": [{"$ref": f"#/channels/{_CHANNEL}/messages/{name}"} for name in names],
    }


def _sent() -> dict[str, Any]:
    return {f"tell_{name}": {"action": "send", **_place(name)} for name in _events()}


def _received() -> dict[str, Any]:
    operations = {}
    for name in _client_messages():
        done = "subscribed" if name.startswith("subscribe_") else "unsubscribed"
        operations[name] = {
            "action": "receive",
            **_place(name),
            "reply": _place(done, "refused"),
        }
    return operations
