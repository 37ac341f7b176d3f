"""Pages of products: the order asked for, and the place in it that a cursor stands for."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from db.models.product import Product
from db.queries import products
from web.pages import cut, decode_cursor, moment
from web.schemas.base import answer, rfc3339
from web.schemas.products import ProductPage, ProductsQuery


def page_of(connection: Connection, query: ProductsQuery, after: list[Any] | None) -> bytes:
    """A page of products, as it goes over the wire.

    Args:
        connection: in the caller's transaction.
        query: which products, in which order.
        after: the place where the page before ended; None for the first one.
    """
    rows = products.page(
        connection,
        limit=query.limit + 1,
        sort=query.sort,
        after=(after[1], after[2]) if after else None,
        status=query.status,
        category_id=query.category_id,
        part=query.q,
    )
    column = products.SORTS[query.sort]

    def place(product: Product) -> list[str]:
        value = getattr(product, column)
        shown = rfc3339(value) if column == "created_at" else str(value)
        return [query.sort, shown, str(product.id)]

    return answer(ProductPage.model_validate(cut(rows, query.limit, place)))


def place_of(query: ProductsQuery) -> list[Any] | None:
    """The place that the query's cursor stands for: its sort, the sorted value, the id.

    Raises:
        web.errors.Invalid: it is no cursor of this list in this order.
    """

    def same_sort(value: Any) -> str:
        if value != query.sort:
            raise ValueError(value)
        return query.sort

    return decode_cursor(query.cursor, same_sort, _VALUES[products.SORTS[query.sort]], UUID)


def _text(value: Any) -> str:
    if not isinstance(value, str) or "\x00" in value:
        raise ValueError(value)
    return value


def _price(value: Any) -> Decimal:
    if not re.fullmatch(r"[0-9]{1,12}\.[0-9]{2}", value):
        raise ValueError(value)
    return Decimal(value)


# What a cursor may hold of the column that sorts the list; the database trusts it.
_VALUES: dict[str, Callable[[Any], Any]] = {
    "name": _text,
    "price": _price,
    "created_at": moment,
}
