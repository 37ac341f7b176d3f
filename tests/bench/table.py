"""The table and the plot of a run."""

import os
from html import escape
from pathlib import Path

from tests.bench.bench import Bench
from tests.bench.goals import GOALS, Figure, Goal

_ROW, _LEFT, _WIDTH, _TOP = 26, 420, 900, 50
_COLOURS = {"met": "#2e7d32", "MISSED": "#c62828"}


def write(bench: Bench, machine: list[tuple[str, str]], folder: Path) -> str:
    """Write ``table.md`` and ``plot.svg``; gives the table."""
    folder.mkdir(parents=True, exist_ok=True)
    text = _table(bench, machine)
    (folder / "table.md").write_text(text)
    (folder / "plot.svg").write_text(_plot(bench))
    return text


def _table(bench: Bench, machine: list[tuple[str, str]]) -> str:
    form = "short form" if bench.short else "whole"
    lines = [f"# Benchmark, {form}", ""]
    lines += [f"- {name}: {value}" for name, value in machine]
    lines += [
        f"- load before each repetition: {part} {', '.join(f'{one:.1f}' for one in loads)}"
        for part, loads in bench.loads.items()
    ]
    lines += [f"- {note}" for note in bench.notes]
    lines += [
        "",
        "| what | goal (stretch) | median (min-max) | | figures |",
        "| - | - | - | - | - |",
    ]
    for goal in GOALS:
        figure = bench.figures.get(goal.key)
        if figure is not None:
            lines.append(_line(goal, figure))
    return "\n".join(lines) + "\n"


def _line(goal: Goal, figure: Figure) -> str:
    if figure.missing:
        return f"| {goal.what} | {goal.wanted} | | {figure.missing} | {figure.detail} |"
    verdict = goal.judge(figure, os.cpu_count() or 1)
    unit = f" {goal.unit}" if goal.unit else ""
    return f"| {goal.what} | {goal.wanted} | {figure.shown}{unit} | {verdict} | {figure.detail} |"


def _plot(bench: Bench) -> str:
    """Bars of how much of each goal was reached; the line stands where it is met."""
    rows = [
        (goal, bench.figures[goal.key])
        for goal in GOALS
        if goal.goal is not None and goal.key in bench.figures
        if not bench.figures[goal.key].missing
    ]
    parts = []
    for number, (goal, figure) in enumerate(rows):
        assert goal.goal is not None
        reached = _share(goal, figure.value)
        low, high = sorted((_share(goal, min(figure.values)), _share(goal, max(figure.values))))
        y = _TOP + number * _ROW
        word = goal.judge(figure, os.cpu_count() or 1)
        colour = next((c for w, c in _COLOURS.items() if word.startswith(w)), "#757575")
        middle = y + _ROW / 2 - 3
        label = f"{goal.what}: {figure.shown}{' ' + goal.unit if goal.unit else ''}"
        parts.append(
            f'<text x="{_LEFT - 8}" y="{middle + 4}" text-anchor="end">{escape(label)}</text>'
            f'<rect x="{_LEFT}" y="{y}" width="{_x(reached) - _LEFT:.1f}" height="{_ROW - 8}" '
            f'fill="{colour}"/><line x1="{_x(low):.1f}" x2="{_x(high):.1f}" y1="{middle}" '
            f'y2="{middle}" stroke="#212121" stroke-width="2"/>'
        )
    height = _TOP + len(rows) * _ROW + 10
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH + 20}" height="{height}" '
        'font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="white"/>'
        f'<text x="{_x(1):.1f}" y="24" text-anchor="middle">goal</text>'
        f'<line x1="{_x(1):.1f}" x2="{_x(1):.1f}" y1="30" y2="{height - 6}" stroke="#616161" '
        f'stroke-dasharray="4 3"/>{"".join(parts)}</svg>\n'
    )


def _share(goal: Goal, value: float) -> float:
    """How much of the goal was reached; 1 meets it, whichever way it goes."""
    assert goal.goal is not None
    return goal.goal / max(value, 1e-9) if goal.at_most else value / goal.goal


def _x(share: float) -> float:
    """Where a share ends; what is beyond twice the goal is cut."""
    return _LEFT + min(share, 2.0) / 2.0 * (_WIDTH - _LEFT)
