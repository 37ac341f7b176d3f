"""A walk along the line: on past those that have to wait, to whoever need not wait for them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from workers.batch import Batch


@dataclass(slots=True)
class Walk:
    """What has been passed, from the head of the line on.

    Attributes:
        passed: the places in line of those that were taken and have to wait.
        blocked: their products and orders, for which all that come after them wait too.
        is_last: whether what was taken last reaches to the end of the line.
    """

    passed: set[int] = field(default_factory=set)
    blocked: set[UUID] = field(default_factory=set)
    is_last: bool = False

    @property
    def is_on(self) -> bool:
        """Whether there may be more to come to."""
        return bool(self.passed)

    def pass_by(self, batch: Batch) -> None:
        """A batch is committed: leave those behind that have not ended.

        At the end of the line the next walk begins at its head, as some may be free by now.
        """
        if self.is_last:
            self.start_again()
            return
        ended = {end["id"] for end in batch.book.outcome.ends}
        self.passed.update(one.seq for one in batch.taken if one.id not in ended)
        self.blocked |= batch.blocked

    def start_again(self) -> None:
        """Go back to the head of the line."""
        self.passed.clear()
        self.blocked.clear()


def choose(candidates: Sequence[tuple[UUID, int, bool]]) -> list[UUID]:
    """Which of the first in line to take.

    Those held back come along, as later ones on the same products have to wait behind them.

    Args:
        candidates: id, attempts, and whether it is held back, in order of acceptance.

    Returns:
        All up to the first that was tried before, or that one alone; nothing if none is due.
    """
    chosen: list[UUID] = []
    due = False
    for operation_id, attempts, held_back in candidates:
        suspect = attempts > 0 and not held_back
        if suspect and due:
            break
        chosen.append(operation_id)
        due = due or not held_back
        if suspect:
            break
    return chosen if due else []
