"""Which bulk has the next turn: those that wait for no earlier one have it alternately.

A bulk waits as a whole while an earlier one, unless that is a dry run, has rows of any of its
products that wait. As those only become fewer, a product that was found free stays so: each bulk
is gone through once, some products between two turns, and never while the line is held up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count, takewhile
from uuid import UUID

from sqlalchemy import Connection

from db.models.operation import Waiting
from db.queries import bulk_order

# Between two turns so many looks are taken, each at so many pairs of a product and a bulk: some
# milliseconds.
_LOOKS, _PAIRS = 2, 500
_LEAST_PRODUCTS = 10
_BEFORE_ALL = UUID(int=0)


@dataclass(slots=True)
class _Place:
    """A bulk in line, as far as this process knows it.

    Attributes:
        operation: the bulk's.
        since: the count when it had its last turn, or its last look while it is not free.
        through: no earlier bulk has rows that wait of its products up to this one.
        is_held: whether one has of the next.
        is_free: whether none has of any.
    """

    operation: Waiting
    since: int
    through: UUID = _BEFORE_ALL
    is_held: bool = False
    is_free: bool = False

    @property
    def bulk_id(self) -> UUID:
        """The bulk itself."""
        return UUID(self.operation.payload["bulk_id"])

    def look(self, connection: Connection, earlier: Sequence[UUID]) -> None:
        """Go through some more of its products, up to one that an earlier bulk has."""
        limit = 1 if self.is_held else max(_PAIRS // len(earlier), _LEAST_PRODUCTS)
        products = bulk_order.next_products(
            connection, self.bulk_id, after=self.through, limit=limit
        )
        held = bulk_order.held(connection, earlier, products)
        free = list(takewhile(lambda product: product not in held, products))
        if free:
            self.through = free[-1]
        self.is_held = bool(held)
        self.is_free = not held and len(products) < limit


class Rotation:
    """The bulks of the line, as a process that applies it remembers them."""

    def __init__(self) -> None:
        self._places: dict[UUID, _Place] = {}
        self._count = count()

    def free(self, connection: Connection) -> list[Waiting]:
        """The operations of the bulks that wait for no earlier one, the next turn's first."""
        self._meet(bulk_order.waiting(connection))
        for _ in range(_LOOKS):
            waiting = [place for place in self._places.values() if not place.is_free]
            if not waiting:
                break
            self._look(connection, min(waiting, key=lambda place: place.since))
        free = [place for place in self._places.values() if place.is_free]
        return [place.operation for place in sorted(free, key=lambda place: place.since)]

    @property
    def is_looking(self) -> bool:
        """Whether further looks may find another one free, though nothing else happens."""
        return any(not place.is_free and not place.is_held for place in self._places.values())

    def had_turn(self, operation: Waiting) -> None:
        """It goes behind the others."""
        self._places[operation.id].since = next(self._count)

    def _meet(self, waiting: Sequence[Waiting]) -> None:
        known, self._places = self._places, {}
        is_late = is_behind = False
        for operation in waiting:
            place = known.get(operation.id)
            # What commits late may be in line ahead of those that are known, which have to look
            # again.
            if place is None or is_late:
                is_late = is_late or not operation.payload["dry_run"]
                place = _Place(operation, next(self._count))
            # Those with nobody ahead need no look: some bulk is always free.
            place.is_free = place.is_free or not is_behind
            is_behind = is_behind or not operation.payload["dry_run"]
            self._places[operation.id] = place

    def _look(self, connection: Connection, place: _Place) -> None:
        before = takewhile(lambda other: other is not place, self._places.values())
        earlier = [other.bulk_id for other in before if not other.operation.payload["dry_run"]]
        place.since = next(self._count)
        place.look(connection, earlier)


rotation = Rotation()
