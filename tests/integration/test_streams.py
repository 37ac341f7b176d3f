"""Streams on a real database: every event, in order, once, whatever hints do."""

import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from redis import Redis
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError
from uuid_utils.compat import uuid7

from db.models.stream import operations_stream, stock_stream
from db.queries.streams import take_next, write
from db.session import Database, line_database
from tests.factories.streams import Shop
from tests.functional.service import wait_until
from web.connections import Places
from web.socket_limits import MessageLimits
from web.socket_subscriptions import Client, Subscriptions
from web.stream_cursors import Cursor, event_tag
from web.stream_hints import Hints
from web.stream_tracks import Place, Snapshot
from web.streams import Gone, Streams
from web.waiters import Waiters
from workers.app import app as celery
from workers.commands import AdjustStock, RepairStream
from workers.dispatch import record
from workers.runner import apply_next

celery.loader.import_default_modules()


@pytest.fixture
def shop(database: Database) -> Shop:
    return Shop(database)


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as found:
        found.flushdb()
        yield found


def test_hints_are_sent_in_order_and_once(shop: Shop) -> None:
    shop.subscribe("a")
    shop.adjust(3)
    events = shop.stored(shop.stream)
    shop.streams.offer(events[:2])
    shop.streams.offer(events)
    shop.streams.offer(events[:1])
    assert shop.clients.positions("a") == [1, 2, 3]
    assert not shop.gaps
    assert shop.clients.sent["a"][0]["stock"] == 1
    assert shop.clients.sent["a"][0]["cursor"].split(".")[1] == "1"


def test_a_gap_is_closed_from_the_database(shop: Shop) -> None:
    shop.subscribe("a")
    shop.adjust(3)
    shop.streams.offer(shop.stored(shop.stream)[2:])
    assert shop.clients.positions("a") == []
    assert shop.gaps == [shop.stream]
    shop.repair.repair(shop.gaps)
    assert shop.clients.positions("a") == [1, 2, 3]


def test_repair_needs_no_hint_and_asks_nothing_without_clients(shop: Shop) -> None:
    shop.adjust(2)
    shop.repair.repair()
    assert shop.streams.places() == {}
    shop.subscribe("a")
    shop.adjust(2)
    shop.repair.repair()
    assert shop.clients.positions("a") == [3, 4]


def test_a_newcomer_brings_the_room_to_its_snapshot(shop: Shop) -> None:
    shop.subscribe("a")
    shop.adjust(3)
    found = shop.subscribe("b")
    assert found.snapshot == {"stock": 3, "position": 3}
    assert shop.clients.positions("a") == [1, 2, 3]
    shop.adjust(1)
    shop.streams.offer(shop.stored(shop.stream))
    assert shop.clients.positions("a") == [1, 2, 3, 4]
    assert shop.clients.positions("b") == [4]


def test_what_was_missed_is_sent_first(shop: Shop) -> None:
    cursor = shop.subscribe("a").cursor
    shop.streams.forget("a")
    shop.adjust(3)
    found = shop.subscribe("b", since=cursor)
    assert found.recovered is True
    assert shop.clients.positions("b") == [1, 2, 3]
    again = shop.subscribe("b", since=cursor)
    assert again.recovered is True
    assert shop.clients.positions("b") == [1, 2, 3]


@pytest.mark.parametrize("count", [499, 500, 501, 1234])
def test_far_behind_is_recovered_page_by_page(shop: Shop, count: int) -> None:
    cursor = shop.subscribe("a").cursor
    shop.adjust(count)
    assert shop.subscribe("b", since=cursor).recovered is True
    assert shop.clients.positions("b") == list(range(1, count + 1))


def test_a_cursor_that_cannot_be_served_is_said_so(shop: Shop) -> None:
    other = shop.make_product()
    foreign = shop.subscribe("a", place=shop.place(other)).cursor
    own = shop.subscribe("a").cursor
    shop.adjust(5)
    assert shop.subscribe("b", since=foreign).recovered is False
    assert shop.subscribe("c", since=own.replace(".0", ".6")).recovered is False
    with shop.database.transaction() as connection:
        connection.execute(
            text("DELETE FROM events WHERE stream = :stream AND position <= 2"),
            {"stream": shop.stream},
        )
    lost = shop.subscribe("d", since=own)
    assert lost.recovered is False
    assert lost.snapshot == {"stock": 5, "position": 5}
    assert shop.subscribe("e", since=own.replace(".0", ".2")).recovered is True
    assert [shop.clients.positions(sid) for sid in "bcde"] == [[], [], [], [3, 4, 5]]


def test_cursors_behind_a_lost_last_event_are_not_recovered(shop: Shop) -> None:
    first = shop.subscribe("a").cursor
    shop.adjust(3)
    shop.repair.repair()
    told = shop.clients.sent["a"]
    with shop.database.transaction() as connection:
        connection.execute(
            text("DELETE FROM events WHERE stream = :stream AND position = 3"),
            {"stream": shop.stream},
        )
        record(connection, RepairStream(shop.stream, 3))
    while apply_next(line_database()):
        pass
    # Who was told of it all has missed nothing.
    for sid, since, recovered in (
        ("b", first, False),
        ("c", told[1]["cursor"], False),
        ("d", told[2]["cursor"], True),
    ):
        found = shop.subscribe(sid, since=since)
        assert (found.recovered, found.snapshot["position"]) == (recovered, 3)
    shop.adjust(1)
    shop.repair.repair()
    assert [shop.clients.positions(sid) for sid in "abcd"] == [[1, 2, 3, 4], [4], [4], [4]]
    assert shop.subscribe("e", since=told[2]["cursor"]).recovered is True
    assert shop.clients.positions("e") == [4]


def test_a_restored_copy_has_other_cursors(shop: Shop) -> None:
    cursor = shop.subscribe("a").cursor
    with shop.database.transaction() as connection:
        connection.execute(text("UPDATE installation SET epoch = gen_random_uuid()"))
    restarted = Shop.__new__(Shop)
    restarted.__dict__.update(shop.__dict__)
    restarted.streams = Streams(
        shop.database,
        shop.clients,
        shop.ended.append,
        shop.gaps.append,
        threading.BoundedSemaphore(),
    )
    assert restarted.subscribe("b", since=cursor).recovered is False


def test_a_held_stream_holds_no_other_and_loses_nothing(shop: Shop) -> None:
    other = shop.make_product()
    shop.subscribe("a")
    shop.subscribe("a", place=shop.place(other))
    reading, go_on = threading.Event(), threading.Event()
    place = shop.place()

    def slow(connection: Any) -> Snapshot | None:
        reading.set()
        go_on.wait(10)
        return place.read(connection)

    held = threading.Thread(
        target=shop.streams.subscribe, args=("b", Place(place.stream, place.room, slow))
    )
    held.start()
    assert reading.wait(10)
    shop.adjust(2)
    shop.adjust(2, other)
    shop.streams.offer(shop.stored(shop.stream) + shop.stored(stock_stream(other)))
    assert [one["productId"] for one in shop.clients.sent["a"]] == [str(other)] * 2
    go_on.set()
    held.join(10)
    assert shop.clients.positions("a") == [1, 2, 1, 2]
    assert shop.clients.positions("b") == []


def test_nothing_is_kept_when_the_last_has_left(shop: Shop) -> None:
    for sid in "ab":
        shop.subscribe(sid)
        shop.come(sid, operations_stream(shop.key.id), "system")
    assert len(shop.streams.places()) == 3
    shop.streams.leave("a", shop.stream)
    shop.streams.forget("a")
    assert len(shop.streams.places()) == 3
    shop.streams.forget("b")
    assert shop.streams.places() == {}
    assert shop.streams.rooms_of("b") == set()


def test_a_client_that_left_meanwhile_stays_out(shop: Shop) -> None:
    shop.clients.gone.add("a")
    with pytest.raises(Gone):
        shop.subscribe("a")
    with pytest.raises(Gone):
        shop.come("a", "system")
    assert shop.streams.places() == {}


def test_who_waits_for_an_operation_and_for_all_is_told_once(shop: Shop) -> None:
    stream = operations_stream(shop.key.id)
    shop.come("both", stream)
    command = AdjustStock(product_id=shop.product, quantity=1, type="increment")
    with shop.database.transaction() as connection:
        ids = [record(connection, command, api_key_id=shop.key.id).id for _ in range(3)]
    for sid in ("both", "one"):
        found = shop.subscribe(sid, place=shop.operation(ids[1]))
        assert found.snapshot == {"status": "queued", "position": 0}
    apply_next(line_database())
    shop.streams.offer(shop.stored(stream))
    assert shop.clients.positions("both", "operation_update") == [1, 2, 3]
    assert shop.clients.positions("one", "operation_update") == [2]
    assert shop.ended == [str(one) for one in ids]
    late = shop.subscribe("late", since=found.cursor, place=shop.operation(ids[1]))
    assert (late.recovered, late.snapshot["status"]) == (True, "succeeded")
    assert shop.clients.positions("late", "operation_update") == [2]


def test_who_is_in_from_the_beginning_recovers_what_came_before(shop: Shop) -> None:
    stream = operations_stream(shop.key.id)
    shop.adjust(3)
    shop.come("a", stream)
    shop.adjust(2)
    shop.repair.repair()
    whole = shop.whole(stream)
    mark = Cursor.parse(shop.subscribe("b", place=whole).cursor).mark
    cursor = str(Cursor(mark, 1, event_tag(shop.stored(stream)[0][3])))
    assert shop.clients.positions("a", "operation_update") == [4, 5]
    for _ in range(2):
        assert shop.subscribe("a", since=cursor, place=whole).recovered is True
        assert shop.clients.positions("a", "operation_update") == [4, 5, 2, 3]


def test_who_comes_again_is_told_what_it_missed_before_what_is_new(shop: Shop) -> None:
    stream = operations_stream(shop.key.id)
    shop.adjust(1)
    cursor = shop.subscribe("before", place=shop.whole(stream)).cursor
    shop.adjust(2)
    shop.streams.arrivals.note("a", [stream])
    shop.adjust(2)
    shop.repair.repair()
    assert shop.clients.positions("a", "operation_update") == []
    for _ in range(2):
        assert shop.subscribe("a", since=cursor, place=shop.whole(stream)).recovered is True
        shop.streams.arrivals.let_in("a", stream)
    shop.adjust(1)
    shop.repair.repair()
    assert shop.clients.positions("a", "operation_update") == [2, 3, 4, 5, 6]


@pytest.mark.parametrize("count", [0, 1, 500, 501])
def test_who_says_nothing_is_told_all_since_it_came(shop: Shop, count: int) -> None:
    stream = operations_stream(shop.key.id)
    shop.adjust(1)
    shop.streams.arrivals.note("a", [stream])
    shop.adjust(count)
    shop.repair.repair()
    shop.repair.repair()
    assert shop.clients.positions("a", "operation_update") == []
    for _ in range(2):
        shop.streams.arrivals.let_in("a", stream)
    shop.adjust(1)
    shop.repair.repair()
    assert shop.clients.positions("a", "operation_update") == list(range(2, count + 3))


def tell_again(shop: Shop, operation_id: UUID) -> None:
    """Tell of an operation once more, as a bulk's progress is told."""
    stream = operations_stream(shop.key.id)
    of_it = [one[3] for one in shop.stored(stream) if one[3]["operationId"] == str(operation_id)]
    with shop.database.transaction() as connection:
        position = take_next(connection, stream)
        told = (stream, position, "operation_update", json.dumps(of_it[0]))
        write(connection, [told], datetime.now(UTC))


@pytest.mark.parametrize("others", [1, 501])
def test_who_follows_an_operation_is_told_what_it_missed_of_it_before_what_is_new(
    shop: Shop, others: int
) -> None:
    stream = operations_stream(shop.key.id)
    (followed,) = shop.adjust(1)
    since = shop.subscribe("before", place=shop.operation(followed)).cursor
    for _ in range(2):
        tell_again(shop, followed)
        shop.adjust(1)
    shop.repair.repair()
    shop.streams.arrivals.note("a", [stream])
    tell_again(shop, followed)
    shop.adjust(others)
    shop.repair.repair()
    shop.repair.repair()
    ask = Subscriptions(shop.streams, shop.database, threading.BoundedSemaphore(4)).handle
    client, message = Client("a", shop.key), {"operationId": str(followed), "since": since}
    expected = [2, 4, *range(6, 7 + others)]
    for _ in range(2):
        answer = ask(client, "subscribe_operation", (message,))
        assert (answer["recovered"], answer["position"]) == (True, expected[-1])
        assert shop.clients.positions("a", "operation_update") == expected
    tell_again(shop, followed)
    shop.adjust(1)
    shop.repair.repair()
    assert shop.clients.positions("a", "operation_update")[len(expected) :] == [
        expected[-1] + 1,
        expected[-1] + 2,
    ]


def test_who_was_told_a_part_when_the_database_goes_is_not_told_it_twice(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = operations_stream(shop.key.id)
    for sid in "ab":
        shop.streams.arrivals.note(sid, [stream])
    shop.adjust(501)
    shop.repair.repair()
    shop.repair.repair()

    def away() -> Any:
        raise OperationalError("SELECT", None, Exception("gone"), connection_invalidated=True)

    def take_and_go(sid: str) -> bool:
        monkeypatch.setattr(shop.database, "statement", away)
        return True

    monkeypatch.setattr(shop.clients, "wait_until_taken", take_and_go)
    # Both are answered that the database is away; who was told nothing may simply ask again.
    for sid in "ab":
        with pytest.raises(OperationalError):
            shop.streams.arrivals.let_in(sid, stream)
    assert shop.clients.positions("a", "operation_update") == list(range(1, 501))
    assert shop.clients.positions("b", "operation_update") == []
    assert shop.clients.gone == {"a"}
    monkeypatch.undo()
    shop.streams.arrivals.let_in("b", stream)
    assert shop.clients.positions("b", "operation_update") == list(range(1, 502))


def test_what_came_unasked_is_no_place_to_recover_from(shop: Shop) -> None:
    stream = operations_stream(shop.key.id)
    (followed, *_) = shop.adjust(3)
    shop.come("a", stream)
    shop.adjust(2)
    shop.repair.repair()
    last = shop.clients.sent["a"][-1]["cursor"]
    # It may have missed what came before 4, and would never hear of it.
    assert shop.subscribe("a", since=last, place=shop.operation(followed)).recovered is False
    assert shop.subscribe("a", since=last, place=shop.whole(stream)).recovered is False
    # Now it knows, and nothing is missing since.
    for place in (shop.operation(followed), shop.whole(stream)):
        assert shop.subscribe("a", since=last, place=place).recovered is True
    # Who has it from elsewhere, and was told nothing yet, has missed nothing before it.
    shop.streams.arrivals.note("b", [stream])
    shop.adjust(1)
    shop.repair.repair()
    told = shop.clients.sent["a"][-1]["cursor"]
    assert shop.subscribe("b", since=told, place=shop.whole(stream)).recovered is True
    assert shop.clients.positions("b", "operation_update") == []


def test_who_leaves_before_it_is_let_in_stays_out(shop: Shop) -> None:
    stream = operations_stream(shop.key.id)
    shop.streams.arrivals.note("a", [stream])
    shop.streams.leave("a", stream)
    shop.streams.arrivals.let_in("a", stream)
    assert shop.streams.places() == {}
    assert shop.streams.rooms_of("a") == set()


def test_who_cannot_be_told_all_since_it_came_is_closed(shop: Shop) -> None:
    stream = operations_stream(shop.key.id)
    shop.come("stays", stream)
    shop.streams.arrivals.note("a", [stream])
    shop.adjust(3)
    shop.repair.repair()
    with shop.database.transaction() as connection:
        connection.execute(
            text("DELETE FROM events WHERE stream = :stream AND position = 1"), {"stream": stream}
        )
    with pytest.raises(Gone):
        shop.streams.arrivals.let_in("a", stream)
    assert shop.clients.gone == {"a"}


def test_clients_are_closed_rather_than_told_less(shop: Shop) -> None:
    shop.subscribe("a")
    shop.adjust(3)
    with shop.database.transaction() as connection:
        connection.execute(text("DELETE FROM events WHERE position = 1"))
    shop.repair.repair()
    assert "a" in shop.clients.gone


def test_subscribers_come_and_go_under_load_while_redis_drops_everybody(
    shop: Shop, redis: Redis
) -> None:
    hints = Hints(shop.streams.offer, shop.repair.ask_all)
    shop.streams._on_gap = shop.streams._tracks._on_gap = shop.repair.ask
    shop.repair.start()
    hints.start()
    stop = threading.Event()
    wrong: list[Any] = []

    def come_and_go(number: int) -> None:
        cursor = None
        for visit in range(10_000):
            if stop.is_set():
                return
            sid = f"{number}-{visit}"
            found = shop.subscribe(sid, since=cursor)
            begin = Cursor.parse(cursor).position if cursor else found.snapshot["position"]
            stop.wait(random.random() / 20)
            shop.streams.forget(sid)
            shop.clients.rooms[shop.stream].discard(sid)
            seen = shop.clients.positions(sid)
            if seen != list(range(begin + 1, begin + 1 + len(seen))):
                wrong.append((begin, seen))
            cursor = shop.clients.sent[sid][-1]["cursor"] if seen else found.cursor

    shop.subscribe("stays")
    visitors = [threading.Thread(target=come_and_go, args=(number,)) for number in range(4)]
    for visitor in visitors:
        visitor.start()
    try:
        for round_ in range(60):
            shop.adjust(5)
            if round_ % 10 == 5:
                redis.client_kill_filter(_type="pubsub")
        wait_until(lambda: len(shop.clients.positions("stays")) >= 300, 15)
    finally:
        stop.set()
        for visitor in visitors:
            visitor.join()
        hints.stop()
        shop.repair.stop()
    assert not wrong
    assert shop.clients.positions("stays") == list(range(1, 301))


@pytest.fixture
def waiters(database: Database) -> Iterator[Waiters]:
    found = Waiters(database)
    found.start()
    yield found
    found.release_all()


def test_a_waiter_is_woken_by_a_hint_or_finds_the_end_itself(shop: Shop, waiters: Waiters) -> None:
    command = AdjustStock(product_id=shop.product, quantity=1, type="increment")
    with shop.database.transaction() as connection:
        operation = record(connection, command, api_key_id=shop.key.id)
        by_hint, by_poll = waiters.register(operation.id), waiters.register(operation.id)
    assert by_hint.wait(0) is False
    began = time.monotonic()
    by_hint.wake(ended=True)
    assert by_hint.wait(10) is True
    assert time.monotonic() - began < 0.4
    apply_next(line_database())
    assert by_poll.wait(10) is True
    by_poll.cancel()
    by_hint.cancel()


def test_waiters_go_when_the_process_does(shop: Shop, waiters: Waiters) -> None:
    with waiters.register(uuid7()) as waiter:
        threading.Thread(target=waiters.release_all).start()
        assert waiter.wait(10) is False
    assert waiters.register(uuid7()).wait(10) is False


@pytest.fixture
def make_places(redis: Redis) -> Iterator[Callable[[int], Places]]:
    made: list[Places] = []

    def make(cap: int) -> Places:
        places = Places(cap)
        places.start()
        made.append(places)
        return places

    yield make
    for places in made:
        places.stop()


def test_places_are_counted_over_processes_and_given_back(
    make_places: Callable[[int], Places], redis: Redis
) -> None:
    here, there = make_places(3), make_places(3)
    key = uuid7()
    assert here.take(key, "a")
    assert there.take(key, "b")
    assert there.take(key, "c")
    wait_until(lambda: here.total_connections() == 3 == there.total_connections())
    threading.Timer(0.3, there.release, (key, "b")).start()
    began = time.monotonic()
    assert here.take(key, "d")
    assert time.monotonic() - began < 3
    # A process that was killed renews nothing any more; its places are free after their lease.
    there._renew = lambda: None  # type: ignore[method-assign]
    began = time.monotonic()
    assert here.take(key, "e")
    assert time.monotonic() - began > 0.5
    assert not here.take(key, "f")
    assert here.take(uuid7(), "f")


def test_messages_are_counted_per_key_over_processes(shop: Shop, redis: Redis) -> None:
    here, there = MessageLimits("4/minute"), MessageLimits("4/minute")
    assert [one.refuse_for(shop.key) for one in (here, there, here, there)] == [None] * 4
    refused = here.refuse_for(shop.key)
    assert refused is not None
    assert 1 <= refused <= 120


def test_a_crowd_that_comes_again_is_served_from_one_reading(shop: Shop) -> None:
    cursor = shop.subscribe("a").cursor
    shop.streams.forget("a")
    shop.adjust(3)
    reading, go_on = threading.Event(), threading.Event()
    usual = shop.place()

    def read(connection: Any) -> Snapshot | None:
        reading.set()
        go_on.wait(10)
        return usual.read(connection)

    asked: list[str] = []
    place = Place(usual.stream, usual.room, read)
    names = [f"late-{number}" for number in range(10)]
    threads = [
        threading.Thread(target=shop.subscribe, args=(sid, cursor, place))
        for sid in ["early", *names]
    ]

    def note(*said: Any) -> None:
        asked.append(said[2])

    event.listen(shop.database.engine, "before_cursor_execute", note)
    threads[0].start()
    assert reading.wait(10)
    for thread in threads[1:]:
        thread.start()
    track = shop.streams._tracks.find(shop.stream)
    assert track is not None
    wait_until(lambda: track.users == len(threads), 10)
    go_on.set()
    for thread in threads:
        thread.join()
    event.remove(shop.database.engine, "before_cursor_execute", note)
    for sid in ["early", *names]:
        assert shop.clients.positions(sid) == [1, 2, 3]
    # Of the early one, and of the first of the others: a state and what was missed, each once.
    assert len(asked) == 4
