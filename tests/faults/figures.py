"""Figures: what a fault cost, beside what it may cost."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Figures:
    """The figures of one run."""

    rows: list[tuple[str, str, str, str]] = field(default_factory=list)

    def tell(
        self, test: str, what: str, value: float, limit: float | None = None, unit: str = "s"
    ) -> None:
        """Note a figure.

        Args:
            test: which fault.
            what: was measured.
            value: in ``unit``.
            limit: the most that it may be; None if it is only told.
            unit: of both.

        Raises:
            AssertionError: the value is above its limit.
        """
        shown = "" if limit is None else f"<= {limit:g} {unit}"
        self.rows.append((test.removeprefix("test_"), what, f"{value:.4g} {unit}", shown))
        print(f"\n  {what}: {value:.4g} {unit} {shown}", end="", flush=True)  # noqa: T201
        assert limit is None or value <= limit, f"{what}: {value:.4g} {unit}, may be {limit:g}"

    def write(self, line: Callable[[str], None], seed: str | None) -> None:
        """Write all of them as a table."""
        if not self.rows:
            return
        widths = [max(len(row[column]) for row in self.rows) for column in range(3)]
        line("")
        line(f"What faults cost{f' (SEED={seed})' if seed else ''}:")
        for row in self.rows:
            cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
            line("  " + "  ".join([*cells, row[3]]).rstrip())
