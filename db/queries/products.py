"""Products: written by the web at once, read by everybody."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Connection, text

from db.models.product import Product

_COLUMNS = """id, sku, name, description, price, category_id, images, status,
    low_stock_threshold, version, created_at, updated_at"""

_CATEGORY = text("INSERT INTO categories (id) VALUES (:id) ON CONFLICT DO NOTHING")
_INSERT = text(f"""
    INSERT INTO products (id, sku, name, description, price, category_id, images, status,
                          low_stock_threshold, version)
    VALUES (:id, :sku, :name, :description, :price, :category_id, CAST(:images AS jsonb),
            'draft', :low_stock_threshold, 1)
    RETURNING {_COLUMNS}
""")  # noqa: S608 - our own names
_LEVEL = text("""
    INSERT INTO stock_levels (product_id, on_hand, reserved, version, ever_stocked, updated_at)
    VALUES (:id, 0, 0, 0, false, now())
""")


def insert(connection: Connection, **values: Any) -> Product:
    """Write a draft with its empty stock level, and its category if it is the first of it.

    Raises:
        sqlalchemy.exc.IntegrityError: the SKU is another product's.
    """
    connection.execute(_CATEGORY, {"id": values["category_id"]})
    values["images"] = orjson.dumps(values["images"]).decode()
    product = Product(*connection.execute(_INSERT, values).one())
    connection.execute(_LEVEL, {"id": product.id})
    return product


def find(connection: Connection, product_id: UUID) -> Product | None:
    """One product."""
    statement = text(f"SELECT {_COLUMNS} FROM products WHERE id = :id")  # noqa: S608
    row = connection.execute(statement, {"id": product_id}).one_or_none()
    return Product(*row) if row else None


def lock(connection: Connection, product_id: UUID) -> Product | None:
    """One product, to be changed by the caller.

    The weaker of the two locks: rows that refer to the product, such as operations and
    movements, can be written meanwhile.
    """
    statement = text(
        f"SELECT {_COLUMNS} FROM products WHERE id = :id FOR NO KEY UPDATE"  # noqa: S608
    )
    row = connection.execute(statement, {"id": product_id}).one_or_none()
    return Product(*row) if row else None


def update(connection: Connection, product_id: UUID, changes: dict[str, Any]) -> Product:
    """Change columns of a locked product; its version grows by one."""
    if "category_id" in changes:
        connection.execute(_CATEGORY, {"id": changes["category_id"]})
    values = dict(changes)
    if "images" in values:
        values["images"] = orjson.dumps(values["images"]).decode()
    sets = ", ".join(
        f"{name} = CAST(:{name} AS jsonb)" if name == "images" else f"{name} = :{name}"
        for name in values
    )
    statement = text(f"""
        UPDATE products SET {sets}, version = version + 1, updated_at = now()
        WHERE id = :id RETURNING {_COLUMNS}
    """)  # noqa: S608 - our own names
    return Product(*connection.execute(statement, {"id": product_id, **values}).one())


def prices(connection: Connection, ids: Collection[UUID]) -> dict[UUID, Any]:
    """Name and price of these products; unknown ones are missing."""
    found = connection.execute(
        text("SELECT id, name, price FROM products WHERE id = ANY(:ids)"), {"ids": list(ids)}
    )
    return {row.id: row for row in found}


# How a list may be sorted, and by which column; a minus sign turns the order round.
SORTS = {
    "name": "name",
    "-name": "name",
    "price": "price",
    "-price": "price",
    "createdAt": "created_at",
    "-createdAt": "created_at",
}


def page(
    connection: Connection,
    *,
    limit: int,
    sort: str,
    after: tuple[Any, UUID] | None = None,
    status: str | None = None,
    category_id: str | None = None,
    part: str | None = None,
) -> list[Product]:
    """Products in an order of `SORTS`; equal ones by id.

    Args:
        connection: in the caller's transaction.
        limit: how many at most.
        sort: a key of `SORTS`.
        after: the sorted column's value, and the id, of the product that the page comes after.
        status: only these.
        category_id: only these.
        part: only those whose name or SKU has this in it, in any case.
    """
    column = SORTS[sort]
    beyond, direction = ("<", "DESC") if sort.startswith("-") else (">", "ASC")
    value, product_id = after or (None, None)
    conditions = {
        f"({column}, id) {beyond} (:value, :id)": after,
        "status = :status": status,
        "category_id = :category_id": category_id,
        "(name ILIKE :pattern OR sku ILIKE :pattern)": part,
    }
    where = " AND ".join(condition for condition, given in conditions.items() if given)
    statement = text(f"""
        SELECT {_COLUMNS} FROM products {"WHERE " + where if where else ""}
        ORDER BY {column} {direction}, id {direction} LIMIT :limit
    """)  # noqa: S608 - our own names
    wanted = {
        "limit": limit,
        "value": value,
        "id": product_id,
        "status": status,
        "category_id": category_id,
        "pattern": _pattern(part or ""),
    }
    return [Product(*row) for row in connection.execute(statement, wanted)]


def _pattern(part: str) -> str:
    """Text with this in it, for LIKE; its own wildcards stand for themselves."""
    for special in ("\\", "%", "_"):
        part = part.replace(special, "\\" + special)
    return f"%{part}%"
