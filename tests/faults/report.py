"""The table of a run, fault by fault: how often it was injected, and what came of it."""

import os
import platform
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

_HEAD = (
    "| fault | injected | recovered within | lost | doubled | out of order |",
    "| --- | ---: | ---: | ---: | ---: | ---: |",
)


def _load() -> str:
    load = os.environ.get("FAULT_LOAD")
    return f" LOAD={load}" if load else ""


@dataclass
class Fault:
    """One fault: how often it was injected, and what it cost.

    Attributes:
        title: what breaks.
        injected: how often it broke.
        recovered: what was waited for after it, with the longest wait and its limit, in seconds.
        lost: operations without an end, and ends and events that were not told.
        doubled: what was applied or told more than once.
        out_of_order: what was applied or told in another order than it was accepted in.
        checked: whether somebody looked for these.
        figures: whatever else was measured, as text.
        failed: whether its test did.
    """

    title: str
    injected: int = 0
    recovered: tuple[str, float, float] | None = None
    lost: int = 0
    doubled: int = 0
    out_of_order: int = 0
    checked: bool = False
    figures: list[str] = field(default_factory=list)
    failed: bool = False

    def happened(self, times: int = 1) -> None:
        """It broke again."""
        self.injected += times

    def recovers(self, what: str, seconds: float, limit: float) -> None:
        """Note how long a recovery took; the row of the fault shows its longest.

        Args:
            what: had to be so again.
            seconds: that it took.
            limit: the most that it may take.

        Raises:
            AssertionError: it took longer.
        """
        if self.recovered is None or seconds / limit > self.recovered[1] / self.recovered[2]:
            self.recovered = (what, seconds, limit)
        self.tell(what, seconds, limit)

    def tell(self, what: str, value: float, limit: float | None = None, unit: str = "s") -> None:
        """Note a figure.

        Args:
            what: was measured.
            value: in ``unit``.
            limit: the most that it may be; None if it is only told.
            unit: of both.

        Raises:
            AssertionError: the value is above its limit.
        """
        shown = f"{what}: {value:.4g} {unit}".rstrip()
        if limit is not None:
            shown += f" (limit {limit:g})"
        self.figures.append(shown)
        print(f"\n  {shown}", end="", flush=True)  # noqa: T201
        assert limit is None or value <= limit, shown

    def row(self) -> str:
        """Its line in the table."""
        counts = [self.lost, self.doubled, self.out_of_order]
        found = map(str, counts) if self.checked else ["not seen"] * 3
        within = "-"
        if self.recovered is not None:
            within = f"{self.recovered[1]:.2g} s of {self.recovered[2]:g} s"
        title = f"**failed:** {self.title}" if self.failed else self.title
        return f"| {' | '.join([title, str(self.injected), within, *found])} |"


@dataclass
class Report:
    """All faults of a run."""

    faults: list[Fault] = field(default_factory=list)

    def tell(self, line: Callable[[str], None]) -> None:
        """Write it for the terminal."""
        for text in self._table():
            line(text)

    def write(self, path: Path, seed: int) -> None:
        """Write it as a page of its own."""
        cores, memory = psutil.cpu_count(), psutil.virtual_memory().total / 2**30
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [
            "# What was broken, and what came of it",
            "",
            f"`make faults SEED={seed}{_load()}` on {cores} cores with {memory:.0f} GiB, "
            f"{platform.system()}, Python {platform.python_version()}.",
            "",
            *self._table(),
            "",
            "## Figures",
            "",
            *self._figures(),
        ]
        path.write_text("\n".join(lines) + "\n")

    def _table(self) -> Iterable[str]:
        return [*_HEAD, *(fault.row() for fault in self.faults)]

    def _figures(self) -> Iterable[str]:
        for fault in self.faults:
            yield f"- {fault.title}"
            yield from (f"  - {figure}" for figure in fault.figures)
