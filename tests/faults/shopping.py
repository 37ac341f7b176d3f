"""Clients and workers of one shop, in any order and dying anywhere, beside the reference."""

from collections import Counter
from typing import Any
from uuid import UUID, uuid4

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, precondition, rule
from sqlalchemy import text

from db.models.operation import Waiting
from db.session import Database, line_database
from tasks.alerts import sweep_alerts
from tests.conftest import Client
from tests.factories.bodies import product_body
from tests.factories.shop import empty
from tests.faults.deaths import dies_at
from tests.faults.ledger import Kept
from tests.faults.reference import ATTEMPTS, POISONOUS_UNITS, Asked, Shop
from tests.integration.test_rescue import age_marker
from web.auth import create_key
from workers import runner
from workers.runner import apply_next
from workers.walk import Walk

PRODUCTS = st.integers(0, 3)
LIMITS = st.sampled_from([1, 2, 3, 5, 500])
WAYS = st.sampled_from(["well"] * 6 + ["accepted"] * 2)
STATUSES = st.sampled_from(["confirmed", "processing", "shipped", "delivered", "cancelled"])
POINTS = st.sampled_from(
    ["taken", "read", "decided", "written", "committed", "broadcast", "blamed"]
)
_NOTHING_DONE = {"taken", "read", "decided", "written"}
UNWRITABLE = "unwritable"
# What the worker that is on has taken, but for what only keeps its place in line.
_IN_TURN = """
    SELECT id::text FROM operations, line_marker
    WHERE id = ANY(operation_ids) AND coalesce(available_at <= now(), true)
"""


class Shopping(RuleBasedStateMachine):
    """Clients and workers of one shop, and the reference."""

    app: Any
    database: Database

    def __init__(self) -> None:
        super().__init__()
        empty(self.database)
        with self.database.transaction() as connection:
            _, secret = create_key(
                connection, name="model", scopes=["admin"], rate="1000000/minute"
            )
        self.client = Client(self.app, secret)
        self.products = [self._product() for _ in range(4)]
        self.asked: list[Asked] = []
        self.unsure: list[Asked] = []
        self.order_ids: dict[str, str] = {}
        self.taken: list[tuple[UUID, list[Waiting]]] = []
        self.lost: Counter[str] = Counter()
        self.count = 0

    orders: Bundle[str] = Bundle("orders")

    # -- the way in

    @rule(
        product=PRODUCTS,
        units=st.integers(-6, 12).filter(bool),
        expected=st.one_of(st.none(), st.none(), st.integers(0, 12)),
        dry=st.sampled_from([False, False, False, True]),
        raises=st.sampled_from([0] * 6 + [1, 2, ATTEMPTS]),
        unwritable=st.sampled_from([False] * 20 + [True]),
        way=WAYS,
    )
    def adjust(self, product: int, way: str, dry: bool, unwritable: bool, **asked: Any) -> None:
        unwritable = unwritable and not dry
        one = Asked("adjust", self._key(), self.products[product], dry=dry, **asked)
        one.unwritable = unwritable and one.expected is None and one.units > 0
        self._submit(one, way)

    @rule(
        product=PRODUCTS,
        units=st.integers(0, 12),
        expected=st.one_of(st.none(), st.none(), st.integers(0, 12)),
        way=WAYS,
    )
    def count_stock(self, product: int, way: str, **asked: Any) -> None:
        self._submit(Asked("count", self._key(), self.products[product], **asked), way)

    @rule(
        target=orders,
        items=st.lists(
            st.tuples(PRODUCTS, st.sampled_from([1, 1, 2, 3, 5, POISONOUS_UNITS])),
            min_size=1,
            max_size=4,
        ),
        way=WAYS,
    )
    def order(self, items: list[tuple[int, int]], way: str) -> str:
        named = tuple((self.products[product], units) for product, units in items)
        one = Asked("order", self._key(), items=named)
        one.raises = ATTEMPTS if POISONOUS_UNITS in one.wanted().values() else 0
        self._submit(one, way)
        return one.key

    @rule(order=orders, status=STATUSES, way=WAYS)
    def step(self, order: str, status: str, way: str) -> None:
        self._submit(Asked("step", self._key(), order=order, status=status), way)

    @precondition(lambda self: self.unsure)
    @rule()
    def repeat(self) -> None:
        """A client that got no answer asks again."""
        self._submit(self.unsure.pop(0), "well")

    @precondition(lambda self: self.asked)
    @rule(which=st.integers(0, 1000))
    def repeat_what_was_answered(self, which: int) -> None:
        one = self.asked[which % len(self.asked)]
        if one.id:
            answer = self._send(one)
            assert answer.json["id"] == one.id
            assert answer.headers["Idempotent-Replayed"] == "true"

    @precondition(lambda self: self.asked)
    @rule(which=st.integers(0, 1000), product=PRODUCTS)
    def use_a_key_for_something_else(self, which: int, product: int) -> None:
        key = self.asked[which % len(self.asked)].key
        body = {"productId": self.products[product], "counted": 99, "reason": "again"}
        answer = self.client.post(
            "/api/inventory/counts", json=body, headers={"Idempotency-Key": key}
        )
        assert answer.status_code == 422

    @rule(order=orders)
    def step_into_the_unknown(self, order: str) -> None:
        path = f"/api/pms/orders/{self.order_ids.get(order) or uuid4()}/status"
        assert self.client.patch(path, json={"status": "lost"}).status_code == 422

    @rule(product=PRODUCTS, threshold=st.integers(0, 8))
    def change_threshold(self, product: int, threshold: int) -> None:
        path = f"/api/pms/products/{self.products[product]}"
        answer = self.client.patch(path, json={"lowStockThreshold": threshold})
        assert answer.status_code == 200

    @rule(product=PRODUCTS)
    def publish(self, product: int) -> None:
        path = f"/api/pms/products/{self.products[product]}/publish"
        assert self.client.put(path, json={"status": "published"}).status_code == 200

    # -- the road

    @rule(limit=LIMITS)
    def apply(self, limit: int) -> None:
        apply_next(line_database(), limit)

    @rule(limit=LIMITS, point=POINTS)
    def die(self, limit: int, point: str) -> None:
        died = dies_at(point, lambda: apply_next(line_database(), limit))
        if died and point in _NOTHING_DONE:
            self._lose_a_worker()

    @rule(limit=LIMITS)
    def freeze(self, limit: int) -> None:
        """A worker has taken something and stands still."""
        token = uuid4()
        taken, _ = runner._take(line_database(), token, Walk(), limit)
        if taken:
            self.taken.append((token, taken))
            self._lose_a_worker()

    @precondition(lambda self: self.taken)
    @rule()
    def wake(self) -> None:
        """It goes on, and finds whether another has taken over."""
        token, taken = self.taken.pop(0)
        runner._apply_taken(line_database(), token, taken, runner._apply)

    @rule()
    def let_time_pass(self) -> None:
        age_marker(self.database)

    @rule()
    def let_a_second_pass(self) -> None:
        """The marker is old; what is held back is not due."""
        with self.database.transaction() as connection:
            connection.execute(text("UPDATE line_marker SET taken_at = taken_at - interval '2 s'"))

    # -- the comparison

    @rule()
    def compare(self) -> None:
        """What has ended so far is what the reference makes of just these operations."""
        self._resolve()
        kept = Kept(self.database)
        ended = [one for one in self.asked if one.id in kept.ends]
        shop = Shop().apply(ended, kept.dead)
        kept.check_attempts(self.asked, self.lost)
        kept.check_ends(shop)
        kept.check_stock(shop)
        kept.check_orders(shop, self.order_ids)
        assert not any(kept.gaps.values())
        self.shop, self.kept = shop, kept

    @rule()
    def settle(self) -> None:
        """Everything has its end, and all of it agrees."""
        self._resolve()
        self._apply_all()
        self.compare()
        if any(row.internal and row.status == "dead" for row in self.kept.ends.values()):
            sweep_alerts()
            self._apply_all()
            self.compare()
        assert not any(self.kept.wrong.values()), self.kept.wrong
        self.kept.check_alerts(self.shop)

    def _lose_a_worker(self) -> None:
        """Note whose turn it is that the worker may not live to see end."""
        with self.database.transaction() as connection:
            self.lost.update(connection.execute(text(_IN_TURN)).scalars())

    def _apply_all(self) -> None:
        for _ in range(20 + 10 * len(self.asked)):
            if not apply_next(line_database()):
                if not Kept(self.database).queued:
                    return
                age_marker(self.database)
        raise AssertionError("the line stands still")

    def teardown(self) -> None:
        self.settle()

    # -- how a client asks

    def _product(self) -> str:
        answer = self.client.post("/api/pms/products", json=product_body(lowStockThreshold=3))
        assert answer.status_code == 201, answer.text
        return str(answer.json["id"])

    def _key(self) -> str:
        self.count += 1
        return f"key-{self.count}"

    def _submit(self, one: Asked, way: str) -> None:
        if one.order and one.order not in self.order_ids:
            self._resolve()
        if way != "well":
            assert dies_at(way, lambda: self._send(one))
            self.unsure.append(one)
            if way == "accepted":
                self._accepted(one)
            return
        answer = self._send(one)
        self._accepted(one)
        one.id = answer.json["id"]
        if one.kind == "order":
            self.order_ids[one.key] = answer.json["orderId"]

    def _resolve(self) -> None:
        """Clients that got no answer ask again until they have one."""
        while self.unsure:
            self.repeat()

    def _accepted(self, one: Asked) -> None:
        if one not in self.asked:
            self.asked.append(one)

    def _send(self, one: Asked) -> Any:
        method, path, body = self._request(one)
        headers = {"Idempotency-Key": one.key}
        answer = self.client.open(method, path, json=body, headers=headers)
        assert answer.status_code == 202, answer.text
        return answer

    def _request(self, one: Asked) -> tuple[str, str, dict[str, Any]]:
        if one.kind == "order":
            items = [{"productId": product, "quantity": units} for product, units in one.items]
            body = {"items": items, "customerId": "c", "shippingAddress": "a"}
            return "POST", "/api/pms/orders", body
        if one.kind == "step":
            path = f"/api/pms/orders/{self.order_ids[one.order]}/status"
            return "PATCH", path, {"status": one.status}
        body = {"productId": one.product}
        if one.expected is not None:
            body["expectedStock"] = one.expected  # type: ignore[assignment]
        if one.kind == "count":
            return (
                "POST",
                "/api/inventory/counts",
                {**body, "counted": one.units, "reason": "count"},
            )
        reference = UNWRITABLE if one.unwritable else f"raises {one.raises}"
        kind = "increment" if one.units > 0 else "decrement"
        more = {"quantity": abs(one.units), "type": kind, "reference": reference}
        return "POST", f"/api/inventory/adjust?dryRun={str(one.dry).lower()}", {**body, **more}
