"""Bodies of requests."""

from typing import Any


def product_body(**fields: Any) -> dict[str, Any]:
    """The body that makes a product."""
    return {
        "name": "Mug",
        "description": "Holds coffee.",
        "price": 9.5,
        "categoryId": "kitchen",
        "images": [],
        **fields,
    }
