"""One example of each thing on the wire, for the documents; tests hold them to the schemas."""

from typing import Any

from db.models.order import STATUSES

_PRODUCT_ID = "0193599a-3f6e-7c61-9f0e-5b6f0d1c2a3b"
_ORDER_ID = "0193599a-7d10-7a44-8c55-1f2e3d4c5b6a"
_OPERATION_ID = "0193599a-7d12-7e03-b2a1-9c8d7e6f5a4b"
_KEY_ID = "01935999-1a2b-7c3d-8e4f-5a6b7c8d9e0f"
_ALERT_ID = "0193599a-9b8c-7d6e-8f50-4a3b2c1d0e9f"
_BEFORE = "2026-11-23T08:15:30.123456Z"
_LATER = "2026-11-23T08:15:30.131415Z"


def _page(*items: dict[str, Any]) -> dict[str, Any]:
    return {"items": list(items), "nextCursor": None}


_NEW_PRODUCT = {
    "name": "Mug",
    "description": "Holds coffee.",
    "price": 9.5,
    "categoryId": "kitchen",
    "images": ["/images/mug.jpg"],
    "sku": None,
    "lowStockThreshold": 5,
}
_PRODUCT = {
    "id": _PRODUCT_ID,
    **_NEW_PRODUCT,
    "sku": "MUG-1",
    "status": "draft",
    "version": 1,
    "createdAt": _BEFORE,
    "updatedAt": _BEFORE,
}
_STOCK = {
    "productId": _PRODUCT_ID,
    "stock": 8,
    "onHand": 10,
    "reserved": 2,
    "lowStockThreshold": 5,
    "version": 2,
    "updatedAt": _LATER,
}
_OPERATION = {
    "id": _OPERATION_ID,
    "kind": "adjust-stock",
    "status": "succeeded",
    "attempts": 1,
    "progress": None,
    "result": {"productId": _PRODUCT_ID, "stock": 10, "onHand": 10, "reserved": 0, "version": 1},
    "error": None,
    "resource": {"type": "product", "id": _PRODUCT_ID},
    "orderId": None,
    "retryOf": None,
    "createdAt": _BEFORE,
    "finishedAt": _LATER,
    "requestId": "0193599a-7d12-7000-8000-000000000001",
}
_ORDER = {
    "id": _ORDER_ID,
    "status": "pending",
    "items": [
        {
            "productId": _PRODUCT_ID,
            "name": "Mug",
            "quantity": 2,
            "unitPrice": 9.5,
            "lineTotal": 19.0,
        }
    ],
    "total": 19.0,
    "currency": "USD",
    "customerId": "customer-1",
    "shippingAddress": "1 Main Street, Springfield",
    "reason": None,
    "transitions": [
        {
            "from": "queued",
            "to": "pending",
            "operationId": _OPERATION_ID,
            "requestId": "0193599a-7d12-7000-8000-000000000001",
            "keyName": "till",
            "at": _LATER,
        }
    ],
    "version": 1,
    "createdAt": _BEFORE,
    "updatedAt": _LATER,
    "allowedTransitions": ["confirmed", "cancelled"],
}
_MOVEMENT = {
    "productId": _PRODUCT_ID,
    "version": 1,
    "kind": "adjustment",
    "onHandChange": 10,
    "reservedChange": 0,
    "onHand": 10,
    "reserved": 0,
    "reason": "delivery",
    "reference": "delivery-1",
    "operationId": _OPERATION_ID,
    "requestId": "0193599a-7d12-7000-8000-000000000001",
    "keyName": "till",
    "createdAt": _LATER,
}
_REFUSED = {
    "row": 0,
    "productId": _PRODUCT_ID,
    "sku": "MUG-1",
    "quantity": 12,
    "type": "decrement",
    "reason": None,
    "reference": None,
    "problem": {
        "type": "/docs/problems/insufficient-stock",
        "title": "Insufficient stock",
        "status": 409,
        "detail": "12 units were asked for and 8 can be sold.",
        "productId": _PRODUCT_ID,
        "available": 8,
        "requested": 12,
    },
}
_ALERT = {
    "id": _ALERT_ID,
    "productId": _PRODUCT_ID,
    "name": "Mug",
    "severity": "low_stock",
    "stock": 4,
    "threshold": 5,
    "raisedAt": _LATER,
    "raisedBy": _OPERATION_ID,
    "resolvedAt": None,
    "resolvedBy": None,
}
_SYSTEM_ALERT = {
    "id": _ALERT_ID,
    "type": "component_away",
    "message": "Redis is away: operations are accepted and wait.",
    "component": "redis",
    "productId": None,
    "operationId": None,
    "raisedAt": _LATER,
    "resolvedAt": None,
    "resolvedBy": None,
}
_KEY = {
    "id": _KEY_ID,
    "name": "till",
    "hint": "pms_4fJ2…",
    "scopes": ["write"],
    "rate": "600/minute",
    "wsRate": None,
    "createdAt": _BEFORE,
    "expiresAt": None,
    "revokedAt": None,
}
_TOTALS = {"orders": 1, "units": 2, "revenue": 19.0, "averageOrderValue": 19.0}

EXAMPLES: dict[str, dict[str, Any]] = {
    "ProductIn": _NEW_PRODUCT,
    "ProductPatch": {"price": 8.75, "lowStockThreshold": 3},
    "PublishIn": {"status": "published"},
    "ProductOut": _PRODUCT,
    "ProductPage": _page(_PRODUCT),
    "AdjustmentIn": {
        "productId": _PRODUCT_ID,
        "quantity": 10,
        "type": "increment",
        "reason": "delivery",
    },
    "BulkRowIn": {"sku": "MUG-1", "quantity": 10, "type": "increment", "reason": "delivery"},
    "RefusedOut": _REFUSED,
    "RefusedPage": _page(_REFUSED),
    "CountIn": {"productId": _PRODUCT_ID, "counted": 10, "reason": "yearly count"},
    "StockOut": _STOCK,
    "StockItemOut": _STOCK | {"sku": "MUG-1", "name": "Mug"},
    "StockPage": _page(_STOCK | {"sku": "MUG-1", "name": "Mug"}),
    "MovementOut": _MOVEMENT,
    "MovementPage": _page(_MOVEMENT),
    "AlertOut": _ALERT,
    "AlertPage": _page(_ALERT),
    "IntegrityOut": {
        "ok": True,
        "differences": [],
        "checked": {"products": 120, "movements": 5400, "orders": 800, "streams": 4},
        "nextCursor": None,
        "asOf": _LATER,
    },
    "DifferenceOut": {
        "check": "level",
        "productId": _PRODUCT_ID,
        "name": "Mug",
        "stream": None,
        "detail": "12 on hand, 3 reserved, version 7; the ledger ends with 10 on hand, 3 reserved,"
        " version 7",
    },
    "RepairIn": {"productId": _PRODUCT_ID},
    "StreamRepairIn": {"stream": f"stock:{_PRODUCT_ID}"},
    "SystemAlertOut": _SYSTEM_ALERT,
    "SystemAlertPage": _page(_SYSTEM_ALERT),
    "OrderIn": {
        "items": [{"productId": _PRODUCT_ID, "quantity": 2}],
        "customerId": "customer-1",
        "shippingAddress": "1 Main Street, Springfield",
    },
    "OrderStatusIn": {"status": "confirmed"},
    "OrderOut": _ORDER,
    "OrderPage": _page(_ORDER),
    "OperationOut": _OPERATION,
    "OperationDetail": {
        **_OPERATION,
        "payload": {
            "productId": _PRODUCT_ID,
            "quantity": 10,
            "type": "increment",
            "reason": "delivery",
            "reference": None,
            "expectedStock": None,
            "dryRun": False,
        },
        "retriedBy": None,
        "productName": "Mug",
    },
    "OperationPage": _page({**_OPERATION, "retriedBy": None, "productName": "Mug"}),
    "RetryIn": {"kind": "adjust-stock"},
    "RetriedOut": {"items": [_OPERATION], "leftOut": []},
    "RollupsIn": {"startDate": "2026-11-01", "endDate": "2026-11-23"},
    "SalesOut": {
        "startDate": "2026-11-23",
        "endDate": "2026-11-23",
        "groupBy": "day",
        "timezone": "UTC",
        "currency": "USD",
        "totals": _TOTALS,
        "series": [
            {
                "period": "2026-11-23",
                "orders": 1,
                "units": 2,
                "revenue": 19.0,
                "complete": False,
            }
        ],
        "topProducts": [{"productId": _PRODUCT_ID, "name": "Mug", "units": 2, "revenue": 19.0}],
        "asOf": _LATER,
    },
    "ActivityOut": {
        "orders": {**dict.fromkeys(STATUSES, 0), "pending": 1},
        "operations": {
            "seconds": 60,
            "ended": 2,
            "perSecond": 0.03,
            "latency": {"p50": 7.9, "p95": 8.1, "p99": 8.1},
            "series": [{"at": _BEFORE, "ended": 2, "failed": 0, "dead": 0, "p95": 8.1}],
        },
        "asOf": _LATER,
    },
    "InventoryMetricsOut": {
        "totalProducts": 1,
        "totalUnits": 10,
        "reservedUnits": 2,
        "stockValue": 95.0,
        "lowStock": 0,
        "outOfStock": 0,
        "turnover30d": 0.4,
        "daysOfCover": 150.0,
        "deadStock": 0,
        "asOf": _LATER,
    },
    "KeyIn": {"name": "till", "scopes": ["write"], "rate": "600/minute"},
    "KeyOut": _KEY,
    "KeyPage": _page(_KEY),
    "KeyWithSecret": {**_KEY, "secret": "pms_4fJ2sT0yG0Vb9cQm7nR1xW5zK8pL3hD6aE2uY4iO7sB"},
    "HealthOut": {
        "status": "ok",
        "timestamp": _LATER,
        "checks": {
            "database": {"healthy": True, "latency": 0.6},
            "memory": {
                "healthy": True,
                "usage": {"rss": 120_000_000, "peak": 125_000_000, "limit": 2_000_000_000},
            },
            "websocket": {"healthy": True, "connections": 3},
            "uptime": 86_400.0,
            "redis": {"healthy": True, "latency": 0.3},
            "workers": {"healthy": True, "lastSeenSeconds": 0.4},
            "beat": {"healthy": True, "lastSeenSeconds": 1.1},
            "queue": {"depth": 0, "oldestSeconds": None, "dead": 0},
        },
    },
}
