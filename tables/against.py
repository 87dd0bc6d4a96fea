"""Ours beside the paper's: each number with the published one, their difference, and Welch's test of it."""

import math
from collections.abc import Sequence
from dataclasses import replace

from eval.results.record import Run
from tables import published
from tables.cells import build
from tables.result import Cell, Line, Number, Result
from tables.spec import TABLES
from tables.stats import detectable, welch

COLUMNS = ("n", "difference", "95 % from", "to", "p", "detectable")
EXPLAINED = (
    "n: seeds of ours and of theirs; difference: ours less theirs, with 95 % interval and two-sided p of Welch's t-test; "
    "detectable: the smallest true difference that so many seeds of this spread find (p < 5 %) in 80 % of cases."
)
UNKNOWN = "Where no interval is given, one seed or a side without any spread leaves the uncertainty unknown."
PRECISE = {"1": "6", "2": "6"}  # the same numbers with one more decimal of the std


def against_paper(name: str, runs: Sequence[Run], preset: str, mixed: bool = False) -> Result:
    """A line for each method, column and phase of a table of success rates."""
    table, source = TABLES[name], PRECISE.get(name, name)
    ours, theirs, phases = build(name, table, runs, preset, mixed), published.cells(source), TABLES[source].phases
    lines = []
    for line in ours.lines:
        for column, cell in zip(ours.columns, line.cells, strict=True):
            method, where = (column, line.label) if table.tasks_down else (line.label, column)
            printed = theirs.get((method, where))
            for number, phase in zip(cell.numbers, table.phases, strict=True):
                other = printed.numbers[phases.index(phase)] if printed else Number()
                label = ", ".join([method, where, *([phase] if len(table.phases) > 1 else [])])
                one = replace(cell, numbers=(replace(number, mark=""),))
                lines.append(Line(label, (one, Cell((other,), wanted=other.n), *contrast(number, other))))
    title = f"{table.title}, against arXiv 2605.07727. Preset {table.preset or preset}."
    columns = ("ours", "published", *COLUMNS)
    return Result(
        name,
        title,
        columns,
        tuple(lines),
        (EXPLAINED, UNKNOWN, *ours.notes),
        decimals=(1, TABLES[source].decimals[1]),
        corner="method, task",
    )


def contrast(a: Number, b: Number) -> tuple[Cell, ...]:
    """The cells of COLUMNS: how much a is above b, and what that is worth."""
    if a.mean is None or b.mean is None:
        return (Cell(),) * len(COLUMNS)
    seeds = Cell(word=f"{a.n}, {b.n}")
    if a.std is None or b.std is None:
        return (seeds, quantity(a.mean - b.mean), Cell(), Cell(), Cell(), Cell())
    test = welch(a.mean, a.std, a.n, b.mean, b.std, b.n)
    p = Cell(word="" if math.isnan(test.p) else f"{test.p:.3f}" if test.p >= 0.001 else "< 0.001")
    least = detectable(a.std, b.std, a.n, b.n)
    return (seeds, quantity(test.difference), quantity(test.low), quantity(test.high), p, quantity(least))


def quantity(value: float) -> Cell:
    """A number without seeds of its own; an empty cell for nan."""
    return Cell() if math.isnan(value) else Cell((Number(value),))
