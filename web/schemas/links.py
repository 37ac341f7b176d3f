"""Where an answer leads: which of its values is which parameter of which other call."""

from typing import Any

_ID = "$response.body#/id"


def _to(operation: str, text: str, **parameters: str) -> dict[str, Any]:
    return {"operationId": operation, "description": text, "parameters": parameters}


def _with_body(operation: str, text: str, body: Any) -> dict[str, Any]:
    return {"operationId": operation, "description": text, "requestBody": body}


_OPERATION = {"operation": _to("readOperation", "How far it is", operation_id=_ID)}
_REFUSED = {"refused": _to("listRefused", "What was refused of it", operation_id=_ID)}
_PRODUCT = {
    "product": _to("readProduct", "The product as it stands", product_id=_ID),
    "update": _to("updateProduct", "Change it", product_id=_ID),
    "publish": _to("publishProduct", "Publish it", product_id=_ID),
    "stock": _to("readStock", "Its stock", product_id=_ID),
    "movements": _to("listMovements", "Its ledger", productId=_ID),
    "adjust": _with_body(
        "adjustStock",
        "Take some into the house",
        {"productId": _ID, "quantity": 1, "type": "increment"},
    ),
    "count": _with_body(
        "countStock", "Count it", {"productId": _ID, "counted": 1, "reason": "Stock-take"}
    ),
    "order": _with_body(
        "createOrder",
        "Order it",
        {
            "items": [{"productId": _ID, "quantity": 1}],
            "customerId": "customer-1",
            "shippingAddress": "1 Main Street, Springfield",
        },
    ),
}
_STOCK = {
    "stock": _to("readStock", "The stock that it is about", product_id="$request.body#/productId"),
}
_ORDER = {
    "order": _to("readOrder", "The order", order_id="$response.body#/orderId"),
    "step": _to("changeOrderStatus", "Take it a step on", order_id="$response.body#/orderId"),
}
_NEXT = {"cursor": "$response.body#/nextCursor"}

# By the operationId of the call and the status of its answer.
LINKS: dict[str, dict[str, dict[str, Any]]] = {
    "createProduct": {"201": _PRODUCT},
    "updateProduct": {"200": {"product": _PRODUCT["product"]}},
    "publishProduct": {"200": {"product": _PRODUCT["product"]}},
    "listProducts": {"200": {"next": _to("listProducts", "The next page", **_NEXT)}},
    "listStock": {"200": {"next": _to("listStock", "The next page", **_NEXT)}},
    "listOrders": {"200": {"next": _to("listOrders", "The next page", **_NEXT)}},
    "listOperations": {"200": {"next": _to("listOperations", "The next page", **_NEXT)}},
    "listAlerts": {"200": {"next": _to("listAlerts", "The next page", **_NEXT)}},
    "listSystemAlerts": {"200": {"next": _to("listSystemAlerts", "The next page", **_NEXT)}},
    "listKeys": {"200": {"next": _to("listKeys", "The next page", **_NEXT)}},
    "adjustStock": {"200": _OPERATION | _STOCK, "202": _OPERATION | _STOCK},
    "adjustMany": {"200": _OPERATION | _REFUSED, "202": _OPERATION | _REFUSED},
    "retryRefused": {"200": _OPERATION | _REFUSED, "202": _OPERATION | _REFUSED},
    "listRefused": {"200": {"next": _to("listRefused", "The next page", **_NEXT)}},
    "countStock": {"200": _OPERATION | _STOCK, "202": _OPERATION | _STOCK},
    "createOrder": {"201": _OPERATION | _ORDER, "202": _OPERATION | _ORDER},
    "changeOrderStatus": {"200": _OPERATION | _ORDER, "202": _OPERATION | _ORDER},
    "checkIntegrity": {"200": {"next": _to("checkIntegrity", "The rest", **_NEXT)}},
    "repairStock": {"200": _OPERATION | _STOCK, "202": _OPERATION | _STOCK},
    "repairStream": {"200": _OPERATION, "202": _OPERATION},
    "rebuildRollups": {"200": _OPERATION, "202": _OPERATION},
    "retryOperation": {"200": _OPERATION, "202": _OPERATION},
    "createKey": {
        "201": {
            "rotate": _to("rotateKey", "Give it a new secret", key_id=_ID),
            "revoke": _to("revokeKey", "Revoke it", key_id=_ID),
        }
    },
}
