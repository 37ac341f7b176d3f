"""What is wrong with a client's values, in words that are none of a library's."""

from typing import Any

import pytest

from web.errors import Invalid
from web.schemas.inventory import AdjustmentIn, MovementsQuery
from web.schemas.keys import KeyIn
from web.schemas.orders import OrderIn
from web.schemas.parsing import parse
from web.schemas.products import ProductIn

PRODUCT = {"name": "Mug", "description": "", "price": 9, "categoryId": "c", "images": []}
ADJUSTMENT = {"productId": "0198c0de-0000-7000-8000-000000000000", "quantity": 1, "type": "x"}
ORDER: dict[str, Any] = {"items": [], "customerId": "c", "shippingAddress": "a"}


@pytest.mark.parametrize(
    ("model", "values", "pointer", "said"),
    [
        (ProductIn, {**PRODUCT, "name": ""}, "/name", "must not be empty"),
        (ProductIn, {**PRODUCT, "name": 7}, "/name", "must be text"),
        (ProductIn, {**PRODUCT, "name": "a\0"}, "/name", "must not hold a NUL"),
        (ProductIn, {**PRODUCT, "name": "\ud800"}, "/name", "must be Unicode text"),
        (ProductIn, {**PRODUCT, "name": "a" * 201}, "/name", "must have at most 200 characters"),
        (ProductIn, {**PRODUCT, "sku": ""}, "/sku", "must not be empty"),
        (ProductIn, {**PRODUCT, "images": "a"}, "/images", "must be an array"),
        (ProductIn, {**PRODUCT, "images": ["a"] * 51}, "/images", "must have at most 50 items"),
        (ProductIn, {**PRODUCT, "price": -1}, "/price", "must be at least 0"),
        (ProductIn, {**PRODUCT, "colour": "red"}, "/colour", "is not known here"),
        (ProductIn, [], "", "must be an object"),
        (AdjustmentIn, ADJUSTMENT, "/type", "must be increment or decrement"),
        (AdjustmentIn, {**ADJUSTMENT, "quantity": 0}, "/quantity", "must be at least 1"),
        (AdjustmentIn, {**ADJUSTMENT, "quantity": 10**10}, "/quantity", "at most 1,000,000,000"),
        (AdjustmentIn, {"quantity": 1}, "/productId", "must be given"),
        (OrderIn, ORDER, "/items", "must not be empty"),
        (OrderIn, {**ORDER, "items": [7]}, "/items/0", "must be an object"),
        (KeyIn, {"name": "till", "scopes": ["root"]}, "/scopes/0", "must be read, write or admin"),
        (MovementsQuery, {"cursor": "!"}, "/cursor", "has not the right form"),
        (MovementsQuery, {"limit": ["1", "2"]}, "/limit", "must be a whole number"),
    ],
)
def test_a_fault_is_said_in_plain_words(model: Any, values: Any, pointer: str, said: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse(model, values)
    errors = {one["pointer"]: one["detail"] for one in refused.value.facts["errors"]}
    assert errors[pointer].endswith(said)
