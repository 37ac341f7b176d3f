"""Ranges of days from few spans: exact, whatever has a rollup, and few."""

from collections import Counter
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from db.queries.sales_spans import SIZES, cover

_DAY = date(2024, 2, 28)
_offsets = st.integers(0, 1_500)


@given(_offsets, _offsets, _offsets, _offsets)
def test_each_rolled_day_of_the_range_counts_once_and_no_other(
    start: int, length: int, oldest: int, history: int
) -> None:
    days = [_DAY + timedelta(days=n) for n in (start, start + length, oldest, oldest + history)]
    counted: Counter[date] = Counter()
    pieces = cover(*days)
    for piece in pieces:
        assert piece.size in (1, *SIZES)
        for n in range(piece.size):
            counted[piece.first + timedelta(days=n)] += piece.sign
    first, last = max(days[0], days[2]), min(days[1], days[3])
    wanted = {first + timedelta(days=n) for n in range((last - first).days + 1)}
    rolled = {day: n for day, n in counted.items() if days[2] <= day <= days[3] and n}
    assert rolled == dict.fromkeys(wanted, 1)
    # Both ends of the range at most twice in each size, beside the largest.
    assert len(pieces) <= 4 * len(SIZES) + length // SIZES[-1] + 2


def test_a_year_that_ends_today_is_a_handful() -> None:
    for n in range(400):
        today = _DAY + timedelta(days=n)
        start = today - timedelta(days=364)
        assert len(cover(start, today, start - timedelta(days=900), today)) <= 9
