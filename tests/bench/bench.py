"""A run of the benchmark: its length, its ground, and what it has found so far."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from tests.bench.goals import Figure
from tests.bench.ground import Ground
from tests.bench.machine import load
from tests.bench.shops import Street

REPETITIONS = 3
Outcome = TypeVar("Outcome")


@dataclass
class Bench:
    """What parts measure with, and where they tell it.

    Attributes:
        short: the form of two minutes; it does less of everything, and says so.
        figures: what was measured, by the keys of the goals.
        loads: the machine's load before each repetition, by part.
        notes: what stands above the table.
        broken: parts that failed, such as one that lost an adjustment.
    """

    ground: Ground
    street: Street
    short: bool
    figures: dict[str, Figure] = field(default_factory=dict)
    loads: dict[str, list[float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    part: str = ""

    def begin(self, part: str) -> None:
        """What follows belongs to this part."""
        self.part = part
        self.say(f"--- {part}, load {load():.1f}")

    def fail(self, why: str) -> None:
        """The part cannot be believed."""
        self.broken.append(self.part)
        self.notes.append(f"FAILED: {self.part}: {' '.join(why.split())[:500]}")
        self.say(self.notes[-1])

    def seconds(self, whole: float, short: float) -> float:
        """How long to do something."""
        return short if self.short else whole

    def interleave(
        self, runs: dict[str, Callable[[], Outcome]], repetitions: int = REPETITIONS
    ) -> dict[str, list[Outcome]]:
        """Run all in turn, and again (A B A B): what disturbs meets all of them alike."""
        found: dict[str, list[Outcome]] = {name: [] for name in runs}
        for _ in range(repetitions):
            self.loads.setdefault(self.part, []).append(load())
            for name, run in runs.items():
                found[name].append(run())
        return found

    def tell(
        self, key: str, values: Sequence[float], detail: str, *, smaller: bool = False
    ) -> None:
        """A row's values, one for each repetition.

        Args:
            key: of the goal.
            values: their median is judged.
            detail: the absolute figures behind them.
            smaller: it was measured with less than the goal speaks of.
        """
        self.figures[key] = Figure(list(values), detail, smaller=smaller)
        self.say(f"{key}: {self.figures[key].shown}   {detail}")

    def lack(self, key: str, why: str) -> None:
        """A row cannot be filled."""
        self.figures[key] = Figure(missing=why)
        self.say(f"{key}: {why}")

    @staticmethod
    def say(text: str) -> None:
        """Tell whoever waits."""
        sys.stdout.write(f"{time.strftime('%H:%M:%S')} {text}\n")
        sys.stdout.flush()


def ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Of each repetition."""
    return [one / other for one, other in zip(above, below, strict=True)]
