"""The command line's import: rows that cannot be taken as they are, before anything is sent."""

import pytest

from web.cli_errors import USAGE, CommandError
from web.cli_import import _body_of

ID = "0198c0de-0000-7000-8000-000000000000"
ROW = {"name": "Mug", "price": "9.50", "categoryId": "kitchen"}


def test_a_new_row_has_what_a_product_must_have() -> None:
    assert _body_of(2, ROW) == {**ROW, "price": 9.5, "description": "", "images": []}
    assert _body_of(2, {**ROW, "id": ID.upper()}) == {**ROW, "price": 9.5, "id": ID}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("price", "NaN"),
        ("price", "1e400"),
        ("price", "cheap"),
        ("id", "../../keys"),
        ("lowStockThreshold", "1.5"),
        ("images", "["),
        ("status", "archived"),
        ("status", "Published"),
    ],
)
def test_what_cannot_be_taken_names_its_row(field: str, value: str) -> None:
    with pytest.raises(CommandError, match=f"^row 7: .*{field}") as caught:
        _body_of(7, {**ROW, field: value})
    assert caught.value.code == USAGE
