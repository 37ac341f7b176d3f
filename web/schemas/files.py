"""What comes and goes as a file: bodies that are no single document, and lists as CSV."""

from typing import Any

from pydantic.json_schema import models_json_schema

from db.models.bulk import MOST_ROWS
from web.exports import (
    ALERT_COLUMNS,
    KEY_COLUMNS,
    MOVEMENT_COLUMNS,
    OPERATION_COLUMNS,
    ORDER_COLUMNS,
    PRODUCT_COLUMNS,
    STOCK_COLUMNS,
    SYSTEM_ALERT_COLUMNS,
)
from web.schemas.bulk import COLUMNS, BulkRowIn

_BULK_CSV = "sku,quantity,type,reason\r\nMUG-1,10,increment,delivery\r\n"


def _csv(description: str, example: str) -> dict[str, Any]:
    return {
        "text/csv": {
            "schema": {"type": "string", "description": description},
            "examples": {"table": {"value": example}},
        }
    }


def schemas_of_bodies() -> dict[str, Any]:
    """The schemas that the bodies refer to."""
    _, found = models_json_schema(
        [(BulkRowIn, "validation")], ref_template="#/components/schemas/{model}"
    )
    return {
        name: {key: value for key, value in schema.items() if key != "title"}
        for name, schema in found["$defs"].items()
    }


#: Request bodies, by the operationId of their routes.
BODIES: dict[str, dict[str, Any]] = {
    "adjustMany": {
        "application/json": {
            "schema": {
                "type": "array",
                "items": {"$ref": "#/components/schemas/BulkRowIn"},
                "minItems": 1,
                "maxItems": MOST_ROWS,
            },
            "examples": {
                "rows": {
                    "value": [
                        {"sku": "MUG-1", "quantity": 10, "type": "increment"},
                        {"sku": "MUG-2", "quantity": 2, "type": "decrement", "reason": "broken"},
                    ]
                }
            },
        },
        **_csv(
            "A heading and up to 100,000 rows in UTF-8, with commas, semicolons or tabs between;"
            f" columns: {', '.join(COLUMNS)}. The last three are passed over.",
            _BULK_CSV,
        ),
    },
}
_ALL = "The whole list, whatever `limit` and `cursor` say; cells that a spreadsheet would take for"
_ALL += " a formula begin with an apostrophe."

#: Lists that can be had as CSV, by the operationId of their routes.
TABLES: dict[str, dict[str, Any]] = {
    "listProducts": _csv(_ALL, ",".join(PRODUCT_COLUMNS) + "\r\n"),
    "listStock": _csv(_ALL, ",".join(STOCK_COLUMNS) + "\r\n"),
    "listMovements": _csv(_ALL, ",".join(MOVEMENT_COLUMNS) + "\r\n"),
    "listOrders": _csv(_ALL + " A row for each item.", ",".join(ORDER_COLUMNS) + "\r\n"),
    "listOperations": _csv(_ALL, ",".join(OPERATION_COLUMNS) + "\r\n"),
    "listAlerts": _csv(_ALL, ",".join(ALERT_COLUMNS) + "\r\n"),
    "listSystemAlerts": _csv(_ALL, ",".join(SYSTEM_ALERT_COLUMNS) + "\r\n"),
    "listKeys": _csv(_ALL, ",".join(KEY_COLUMNS) + "\r\n"),
    "listRefused": _csv(
        _ALL,
        ",".join(COLUMNS)
        + "\r\n0193599a-3f6e-7c61-9f0e-5b6f0d1c2a3b,MUG-1,12,decrement,,,2,insufficient-stock,"
        "12 units were asked for and 8 can be sold.\r\n",
    ),
}
