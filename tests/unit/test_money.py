"""The wire's own types: money is never a binary float in between, text and numbers are exact."""

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Context, Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from web.schemas.base import (
    Id,
    Money,
    MoneyOut,
    Out,
    QueryFlag,
    QueryTime,
    Time,
    answer,
    text_type,
    whole_type,
)


class Priced(Out):
    """Something with a price."""

    price: MoneyOut


money: TypeAdapter[Decimal] = TypeAdapter(Money)
whole: TypeAdapter[int] = TypeAdapter(whole_type(0, 10**9))
text: TypeAdapter[str] = TypeAdapter(text_type(5, 1))


def from_json(literal: str) -> Any:
    """A number as the door reads it out of a body."""
    return json.loads(literal, parse_float=Decimal, parse_constant=Decimal)


def refused(adapter: TypeAdapter[Any], value: Any) -> bool:
    """Whether the type says no, in its own words."""
    try:
        adapter.validate_python(value)
    except ValidationError:
        return True
    return False


class TestMoney:
    @pytest.mark.parametrize(
        ("literal", "amount"),
        [
            ("0", "0.00"),
            ("-0.0", "0.00"),
            ("5", "5.00"),
            ("0.1", "0.10"),
            ("19.99", "19.99"),
            ("1.10e1", "11.00"),
            ("2.50000", "2.50"),
            ("999999999999.99", "999999999999.99"),
        ],
    )
    def test_numbers_are_read_to_the_cent(self, literal: str, amount: str) -> None:
        found = money.validate_python(from_json(literal))
        assert found == Decimal(amount)
        assert found.as_tuple().exponent == -2

    @pytest.mark.parametrize(
        "literal",
        [
            "-0.01",
            "0.001",
            "1.005",
            "1e-400",
            "1e12",
            "1e400",
            "1000000000000",
            "NaN",
            "Infinity",
            "-Infinity",
            '"5"',
            '"1_000"',
            '" 5 "',
            '"\\u0663"',
            "true",
            "null",
            "[1]",
        ],
    )
    def test_anything_else_is_refused(self, literal: str) -> None:
        assert refused(money, from_json(literal))

    def test_a_binary_float_is_refused(self) -> None:
        assert refused(money, 0.1)

    @given(st.integers(0, 10**14 - 1))
    def test_every_amount_goes_in_and_out_unchanged(self, cents: int) -> None:
        amount = Decimal(cents) / 100
        wire = answer(Priced(price=money.validate_python(amount)))
        back = from_json(wire.decode())["price"]
        assert back == amount
        assert money.validate_python(back) == amount

    @given(st.integers(-(10**20), 10**20), st.integers(0, 2))
    def test_sums_are_told_digit_for_digit(self, units: int, decimals: int) -> None:
        amount = Decimal(units).scaleb(-decimals)
        wire = answer(Priced(price=amount)).decode()
        assert from_json(wire)["price"] == amount
        written = wire.removeprefix('{"price":').removesuffix("}")
        assert re.fullmatch(r"-?[0-9]+(\.[0-9]{1,2})?", written)

    @given(st.integers(10**15, 10**30), st.integers(0, 20))
    def test_no_cent_of_a_long_price_gets_lost_on_the_way_in(
        self, units: int, decimals: int
    ) -> None:
        literal = format(Decimal(units).scaleb(-decimals, Context(prec=60)), "f")
        try:
            found = money.validate_python(from_json(literal))
        except ValidationError:
            whole_cents = units % 10 ** max(decimals - 2, 0) == 0
            assert not whole_cents or Decimal(literal) >= 10**12
        else:
            assert found == Decimal(literal)


class TestWhole:
    @pytest.mark.parametrize(("literal", "number"), [("5", 5), ("5.0", 5), ("1e3", 1000)])
    def test_json_has_one_kind_of_number(self, literal: str, number: int) -> None:
        found = whole.validate_python(from_json(literal))
        assert (found, type(found)) == (number, int)

    @pytest.mark.parametrize(
        "literal",
        ["1.5", "-1", "1000000001", "1e999999", "NaN", "Infinity", '"5"', "true", "null"],
    )
    def test_anything_else_is_refused(self, literal: str) -> None:
        assert refused(whole, from_json(literal))


class TestText:
    def test_its_length_is_counted_in_characters(self) -> None:
        assert text.validate_python("🍎🍏é\n.") == "🍎🍏é\n."

    @pytest.mark.parametrize(
        "value", ["", "123456", "a\x00b", "\x00", "a\n\x00", "\ud800", 5, None]
    )
    def test_anything_else_is_refused(self, value: Any) -> None:
        assert refused(text, value)


class TestId:
    adapter: TypeAdapter[UUID] = TypeAdapter(Id)
    canonical = "0198c0de-0000-7000-8000-000000000abc"

    def test_case_does_not_matter(self) -> None:
        for value in (self.canonical, self.canonical.upper()):
            assert self.adapter.validate_python(value) == UUID(self.canonical)

    @pytest.mark.parametrize(
        "value",
        [
            canonical.replace("-", ""),
            "{" + canonical[1:-1] + "}",
            "urn:uuid:" + canonical,
            canonical[:-1] + "g",
            canonical + " ",
            "",
            5,
            None,
        ],
    )
    def test_other_spellings_are_refused(self, value: Any) -> None:
        assert refused(self.adapter, value)


class TestTime:
    adapter: TypeAdapter[datetime] = TypeAdapter(QueryTime)

    @pytest.mark.parametrize(
        "value",
        ["2026-11-23T09:15:30.123456+01:00", "2026-11-23T08:15:30.123456Z"],
    )
    def test_it_is_taken_to_utc(self, value: str) -> None:
        moment = datetime(2026, 11, 23, 8, 15, 30, 123456, UTC)
        assert self.adapter.validate_python(value) == moment

    def test_a_plus_that_became_a_blank_is_a_plus(self) -> None:
        found = self.adapter.validate_python("2026-11-23T09:00:00 01:00")
        assert found == datetime(2026, 11, 23, 8, tzinfo=UTC)

    @pytest.mark.parametrize(
        "value",
        ["2026-11-23", "2026-11-23T08:15:30", "0001-01-01T00:00:00+14:00", "now", "", 5, None],
    )
    def test_anything_else_is_refused(self, value: Any) -> None:
        assert refused(self.adapter, value)

    def test_it_is_told_in_utc_with_microseconds(self) -> None:
        class Dated(BaseModel):
            at: Time

        moment = datetime(2026, 11, 23, 9, 15, tzinfo=timezone(timedelta(hours=1)))
        assert answer(Dated(at=moment)) == b'{"at":"2026-11-23T08:15:00.000000Z"}'


def test_a_flag_is_true_or_false_and_nothing_like_it() -> None:
    flag: TypeAdapter[bool] = TypeAdapter(QueryFlag)
    assert [flag.validate_python(value) for value in ("true", "false")] == [True, False]
    for value in ("1", "yes", "True", "", None):
        assert refused(flag, value)
