"""The demo's last word: what it did and heard, compared with what the API says."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from web.cli_client import Api
from web.cli_demo_month import SOLD, Month, month_of
from web.cli_demo_play import Books
from web.cli_demo_witness import Witness

_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Comparison:
    """Something that must be the same, seen from several sides.

    Attributes:
        about: what.
        sides: what each side says.
        differences: what does not agree, by name; none is what is hoped for.
    """

    about: str
    sides: dict[str, Any]
    differences: list[str]

    @property
    def agrees(self) -> bool:
        """Whether all sides say the same."""
        return not self.differences


@dataclass(frozen=True, slots=True)
class Sold:
    """The sales of the whole shop around today."""

    orders: int
    units: int
    revenue: Decimal

    @classmethod
    def read(cls, api: Api, first: datetime) -> "Sold":
        """From the API; a day more on either side, whatever the shop's time zone is."""
        days = (first - timedelta(days=1), datetime.now(UTC) + timedelta(days=1))
        start, end = (day.date().isoformat() for day in days)
        totals = api.get("/api/analytics/sales", startDate=start, endDate=end)["totals"]
        return cls(totals["orders"], totals["units"], Decimal(str(totals["revenue"])))


def compare(
    api: Api, books: Books, witness: Witness, *, run: str, began: datetime, before: Sold
) -> tuple[list[Comparison], Month]:
    """Compare everything.

    Args:
        run: tells this play's things from another's.
        api: the service.
        books: what the demo believes.
        witness: what the events told.
        began: when the demo began.
        before: the sales of that moment.

    Returns:
        What came of it, and the month as the API tells it.
    """
    levels = {one.id: api.get(f"/api/inventory/stock/{one.id}") for one in books.shelves}
    orders = _own_orders(api, books, began)
    _await_last_events(witness, levels, orders)
    ledgers = {one: api.pages("/api/inventory/movements", productId=one) for one in levels}
    month = month_of(run, orders.values(), [row for ledger in ledgers.values() for row in ledger])
    return [
        _operations(api, books, witness),
        _stock(books, witness, levels, ledgers),
        _orders(books, witness, orders),
        _streams(witness),
        _alerts(api, books, witness),
        _sales(api, books, began, before),
        _days(books, month),
    ], month


def _own_orders(api: Api, books: Books, began: datetime) -> dict[str, dict[str, Any]]:
    # The clocks of the service and of this machine may differ a little.
    since = (began - timedelta(minutes=5)).isoformat()
    own = {sale.id for sale in books.sales.values()}
    found = api.pages("/api/pms/orders", **{"from": since})
    return {one["id"]: one for one in found if one["id"] in own}


def _await_last_events(
    witness: Witness, levels: dict[str, dict[str, Any]], orders: dict[str, dict[str, Any]]
) -> None:
    """Give the events of the last changes their time; a missing one is found out afterwards."""
    versions = {("inventory_update", one): level["version"] for one, level in levels.items()}
    versions |= {("order_status", one): order["version"] for one, order in orders.items()}
    stories = witness.stories
    followed = {key: version for key, version in versions.items() if key in stories}
    witness.wait_until(
        lambda: all(stories[key].reached >= version for key, version in followed.items()), _SECONDS
    )


def _operations(api: Api, books: Books, witness: Witness) -> Comparison:
    """Submitted, ended by the events, ended by the API."""
    own = books.submitted.keys()
    known: dict[str, str] = {}
    cursor = None
    while own - known.keys():
        page = api.get("/api/operations", limit=100, cursor=cursor)
        known |= {one["id"]: one["status"] for one in page["items"] if one["id"] in own}
        cursor = page["nextCursor"]
        # Ids grow with time: what is older than the first of ours is not ours.
        if cursor is None or page["items"][-1]["id"] < min(own):
            break
    heard = {one: end["status"] for one, end in witness.ends.items()}
    wrong = [
        f"{one}: {heard.get(one)} by its event, {known.get(one)} by the API"
        for one in own | heard.keys()
        if heard.get(one) not in ("succeeded", "failed") or heard.get(one) != known.get(one)
    ]
    if witness.repeated_ends:
        wrong.append(f"{witness.repeated_ends} ends were told twice")
    sides = {
        "submitted": len(own),
        "ends seen": len(heard),
        "ends by the API": sum(status != "queued" for status in known.values()),
    }
    return Comparison("operations", sides, [*wrong, *books.surprises])


def _stock(
    books: Books,
    witness: Witness,
    levels: dict[str, dict[str, Any]],
    ledgers: dict[str, list[dict[str, Any]]],
) -> Comparison:
    """Own books, levels, ledger, and the last event of each product."""
    sums: Counter[str] = Counter()
    wrong = []
    for shelf in books.shelves:
        level, ledger = levels[shelf.id], ledgers[shelf.id]
        told = witness.stories[("inventory_update", shelf.id)].last
        sides = {
            "books": (shelf.on_hand, shelf.reserved, level["version"]),
            "level": (level["onHand"], level["reserved"], level["version"]),
            "ledger": (
                sum(row["onHandChange"] for row in ledger),
                sum(row["reservedChange"] for row in ledger),
                len(ledger),
            ),
            "event": (told.get("onHand"), told.get("reserved"), told.get("version")),
        }
        if len(set(sides.values())) > 1:
            wrong.append(f"{shelf.plan.name}: {sides}")
        for name, (on_hand, _, _) in sides.items():
            sums[name] += on_hand or 0
    named = {"units by own books": "books", "by the API": "level", "by the ledger": "ledger",
             "by the events": "event"}  # fmt: skip
    return Comparison("stock", {name: sums[side] for name, side in named.items()}, wrong)


def _orders(books: Books, witness: Witness, orders: dict[str, dict[str, Any]]) -> Comparison:
    """Own books, the API, and the last event of each order that is followed."""
    wrong = []
    for sale in books.sales.values():
        order = orders.get(sale.id, {})
        found = (order.get("status"), Decimal(str(order.get("total", "NaN"))))
        story = witness.stories.get(("order_status", sale.id))
        told = story.last.get("status", sale.status) if story else sale.status
        if found != (sale.status, sale.total) or told != sale.status:
            wrong.append(f"{sale.id}: {sale.status} {sale.total}, {found} by the API, {told} told")
    by_status = Counter(sale.status for sale in books.sales.values())
    sides = {"submitted": len(books.sales), "by the API": len(orders), **by_status}
    return Comparison("orders", sides, wrong)


def _streams(witness: Witness) -> Comparison:
    """Every stream told every position once, in order."""
    broken = [
        f"{' '.join(key)}: {story.positions[:50]} after {story.begin}"
        for key, story in witness.stories.items()
        if not story.whole
    ]
    sides = {
        "streams": len(witness.stories),
        "without gap or repeat": len(witness.stories) - len(broken),
        "events seen": witness.events,
        "reconnects": witness.reconnects,
    }
    return Comparison("events", sides, broken)


def _alerts(api: Api, books: Books, witness: Witness) -> Comparison:
    """What is low by own books, by the API, and by the last alert told."""
    low = {shelf.id for shelf in books.shelves if shelf.stock <= shelf.plan.threshold}
    own = {shelf.id for shelf in books.shelves}
    found = {one["productId"] for one in api.pages("/api/inventory/alerts")} & own

    def told(*kinds: str) -> int:
        return sum(
            n for (thing, kind), n in witness.alerts.items() if thing in own and kind in kinds
        )

    wrong = [f"{one}: low by own books or by the API, not both" for one in low ^ found]
    sides = {
        "told low": told("low_stock"),
        "told out": told("out_of_stock"),
        "told back": told("stock_recovered"),
        "open by own books": len(low),
        "open by the API": len(found),
    }
    return Comparison("alerts", sides, wrong)


def _sales(api: Api, books: Books, began: datetime, before: Sold) -> Comparison:
    """Own count, and how far the shop's totals have grown."""
    sold = [sale for sale in books.sales.values() if sale.status in SOLD]
    own = Sold(
        len(sold), sum(sale.units for sale in sold), sum((s.total for s in sold), Decimal(0))
    )
    after = Sold.read(api, began)
    grown = Sold(
        after.orders - before.orders, after.units - before.units, after.revenue - before.revenue
    )
    wrong = [] if own == grown else [f"own count {own}, by the API {grown}"]
    sides = {"orders": own.orders, "units": own.units, "revenue": own.revenue,
             "revenue by the API": grown.revenue}  # fmt: skip
    return Comparison("sales", sides, wrong)


def _days(books: Books, month: Month) -> Comparison:
    """Each day by own books, and by the customers' names and the ledger's references."""
    pairs = enumerate(zip(books.month().days, month.days, strict=True))
    wrong = [f"day {day}: {own}, by the API {found}" for day, (own, found) in pairs if own != found]
    sides = {
        "with sales": sum(day.orders > 0 for day in month.days),
        "with deliveries": sum(day.received > 0 for day in month.days[1:]),
        "most orders": max(day.orders for day in month.days),
    }
    return Comparison("days", sides, wrong)
