"""The command line's import: rows that cannot be taken as they are, before anything is sent."""

import json
from typing import Any

import click
import pytest

from web.cli_client import _document
from web.cli_errors import QUEUED, USAGE, CommandError
from web.cli_import import _follow
from web.cli_product_rows import body_of

ID = "0198c0de-0000-7000-8000-000000000000"
ROW = {"name": "Mug", "price": "9.50", "categoryId": "kitchen"}


class Shop:
    """A service that takes what it is sent, and cannot be read."""

    def __init__(self, refusal: BaseException) -> None:
        self._refusal = refusal

    def get(self, *_: Any, **__: Any) -> Any:
        raise self._refusal


def test_a_row_says_what_it_says() -> None:
    assert body_of(2, ROW) == {**ROW, "price": 9.5}
    assert body_of(2, {**ROW, "id": ID.upper()}) == {**ROW, "price": 9.5, "id": ID}


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("refusal", [CommandError("It is away."), KeyboardInterrupt()])
def test_what_was_accepted_is_told_whatever_comes_after(
    refusal: BaseException, as_json: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    operation = {"id": ID, "status": "queued", "progress": {"done": 0, "total": 9}}
    with pytest.raises(click.exceptions.Exit) as caught:
        _follow(Shop(refusal), operation, as_json)  # type: ignore[arg-type]
    assert caught.value.exit_code == QUEUED
    told = capsys.readouterr()
    assert told.err == f"{str(refusal) or 'interrupted'}\n"
    if as_json:
        assert json.loads(told.out) == operation
    else:
        assert told.out == f"accepted, not ended yet: operation {ID}\n"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("price", "NaN"),
        ("price", "1e400"),
        ("price", "cheap"),
        ("price", "1_000"),
        ("price", "\u0661\u0662"),
        ("lowStockThreshold", "1_0"),
        ("lowStockThreshold", "\uff15"),
        ("id", "../../keys"),
        ("lowStockThreshold", "1.5"),
        ("images", "["),
        ("status", "archived"),
        ("status", "Published"),
    ],
)
def test_what_cannot_be_taken_names_its_row_and_column(field: str, value: str) -> None:
    with pytest.raises(CommandError, match=f"^row 7: {field}: '") as caught:
        body_of(7, {**ROW, field: value})
    assert caught.value.code == USAGE


@pytest.mark.parametrize(("cell", "number"), [("12.50", 12.5), (" 7 ", 7), ("007", 7), ("-1", -1)])
def test_numbers_are_read_as_they_stand(cell: str, number: float) -> None:
    """Whether they are good ones, the service says."""
    assert body_of(2, {**ROW, "price": cell})["price"] == number


@pytest.mark.parametrize(
    ("cell", "sent"),
    [("12.1000000000000000000001", None), ("999999999999.99", None), (" 007.50 ", "7.50")],
)
def test_a_price_is_sent_to_its_last_digit(cell: str, sent: str | None) -> None:
    document = _document(body_of(2, {**ROW, "price": cell}))
    assert document is not None
    assert f'"price":{sent or cell}' in document.decode()


def test_what_is_no_utf_8_is_sent_for_the_service_to_say_so() -> None:
    document = _document(body_of(2, {**ROW, "name": "\udcff", "price": "1.50"}))
    assert document is not None
    assert json.loads(document)["name"] == "\udcff"


def test_a_threshold_may_have_leading_zeros() -> None:
    assert (
        body_of(2, {**ROW, "lowStockThreshold": "000000000000000000012"})["lowStockThreshold"] == 12
    )
