"""What is to be reached, as ratios within one run."""

from dataclasses import dataclass, field
from statistics import median


@dataclass(frozen=True)
class Goal:
    """One row of the table.

    Args:
        key: how parts name it.
        what: is measured.
        goal: the least, or the most if ``at_most``; None if it is only stated.
        stretch: what would be better still.
        at_most: whether less is better.
        unit: of the value; a ratio has none.
        cores: with fewer, it cannot be judged.
    """

    key: str
    what: str
    goal: float | None = None
    stretch: float | None = None
    at_most: bool = False
    unit: str = ""
    cores: int = 1

    def judge(self, figure: "Figure", cores: int) -> str:
        """In a word."""
        if self.goal is None:
            return "stated"
        if figure.smaller:
            return "not judged: smaller than the goal's"
        value = figure.value
        if cores < self.cores:
            return f"not judged: needs {self.cores} cores"
        if self._reaches(value, self.stretch):
            return "met, stretch too"
        return "met" if self._reaches(value, self.goal) else "MISSED"

    def _reaches(self, value: float, bound: float | None) -> bool:
        if bound is None:
            return False
        return value <= bound if self.at_most else value >= bound

    @property
    def wanted(self) -> str:
        """The bounds, as the table shows them."""
        if self.goal is None:
            return ""
        sign = "≤" if self.at_most else "≥"
        unit = f" {self.unit}" if self.unit else ""
        more = "" if self.stretch is None else f" ({self.stretch:g})"
        return f"{sign} {self.goal:g}{more}{unit}"


@dataclass
class Figure:
    """What was measured for a row.

    Attributes:
        values: one for each repetition.
        detail: the absolute figures behind it, and what the reader must know.
        missing: why there is none.
        smaller: whether it was measured with less than the goal speaks of.
    """

    values: list[float] = field(default_factory=list)
    detail: str = ""
    missing: str = ""
    smaller: bool = False

    @property
    def value(self) -> float:
        """The median."""
        return median(self.values)

    @property
    def shown(self) -> str:
        """The median with minimum and maximum."""
        if len(self.values) == 1:
            return show(self.value)
        return f"{show(self.value)} ({show(min(self.values))}-{show(max(self.values))})"


def show(value: float) -> str:
    """A number with about three digits that tell something."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


GOALS = (
    Goal("spread", "end to end, spread ÷ naive", 5, 7),
    Goal("hot", "end to end, one hot product ÷ naive", 6, 9),
    Goal("spread_queueless", "end to end, spread ÷ queue-less", 1.5, 2),
    Goal("hot_queueless", "end to end, hot ÷ queue-less", 2, 2.5),
    Goal("hot_spread", "end to end, hot ÷ spread", 0.9, 1.1),
    Goal("cpu", "CPU of all processes an adjustment ÷ naive", 0.25, 0.15, at_most=True),
    Goal("latency", "latency POST → event at 10/s, p50 ÷ naive", 1.1, 0.8, at_most=True),
    Goal("held", "load held with p99 < 25 ms ÷ naive's saturation", 1.6, 3),
    Goal("accept", "durable accept with key and limit ÷ bare Flask", 0.4, 0.6),
    Goal("two_webs", "two web processes ÷ one, on accept", 1.6, 1.9, cores=4),
    Goal("read", "cached product read ÷ bare Flask", 0.6, 0.8),
    Goal("line_spread", "applying a full line, spread ÷ batches of one", 15, 25),
    Goal("line_hot", "applying a full line, hot ÷ batches of one", 20, 35),
    Goal("line_connections", "applying a full line, hot ÷ best of 1-32 connections", 5, 8),
    Goal("bulk", "bulk of 100,000 rows, rows/s ÷ single operations/s", 4, 6),
    Goal("bulk_beside", "p99 of single operations beside a bulk", 100, at_most=True, unit="ms"),
    Goal("sales", "sales over a year, raw ÷ ours", 500, 1000),
    Goal("fan_out", "1,000 clients: last has it ÷ bare emit", 1.2, 1.05, at_most=True),
    Goal("fan_out_http", "2,000 clients: HTTP p99 meanwhile", 500, 200, at_most=True, unit="ms"),
    Goal("growth", "cost an operation with many in the table ÷ with few", 1.15, 1.05, at_most=True),
    Goal("idle_redis", "idle: commands to Redis a minute"),
    Goal("idle_postgres", "idle: statements to PostgreSQL a minute"),
    Goal("idle_web", "idle: statements a second of a web process", 1, at_most=True, unit="/s"),
    Goal("memory", "memory after many operations ÷ before", 1.05, at_most=True),
)
