"""Runs on a table's tasks that none of its rows has: rows of their own where asked for, and how far these are from DFP."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from eval.results.record import Run
from tables.result import Cell
from tables.spec import Row, Table, belongs, label_of, on_its_tasks
from tables.stats import combination

ADDED = " (added)"  # how such a row is marked
DFP = Row("DFP", "dfp")


def left_out(table: Table, runs: Iterable[Run], preset: str) -> list[Run]:
    """Finished runs on the table's tasks that belong to none of its rows, the newest first."""
    finished = (run for run in runs if run.status == "finished" and on_its_tasks(run.start["config"], table, preset))
    own = [run for run in finished if not any(belongs(run.start["config"], row) for row in table.rows)]
    return sorted(own, key=lambda run: run.start["created"], reverse=True)


def with_rows(table: Table, runs: Iterable[Run], preset: str) -> Table:
    """The table with a row, marked as added, for each method and variant of these runs that it does not have."""
    configs = [run.start["config"] for run in left_out(table, runs, preset)]
    rows = {repr((c["method"], sorted(c["changes"].items()))): c for c in configs}
    added = (Row(f"{label_of(c)}{ADDED}", c["method"], c["changes"], added=True) for c in rows.values())
    return replace(table, rows=(*table.rows, *sorted(added, key=lambda row: row.label)))


def differences(rows: Sequence[Row], grid: Sequence[Sequence[Cell]], dfp: Sequence[Cell]) -> list[str]:
    """What is to be said under a table of its added rows, by their cells and those of DFP."""
    said = [f"{row.label} {difference(line, dfp)}" for row, line in zip(rows, grid, strict=True) if row.added]
    how = "Less DFP at the end, averaged over the tasks that both have, with 95 % interval where there are seeds for one"
    return [f"{how}: {'; '.join(said)}."] if said else []


def difference(line: Sequence[Cell], dfp: Sequence[Cell]) -> str:
    """How far a row is above DFP, in words, by the rates of each seed after the last phase."""
    pairs = [
        (np.array([*ours.values()]), np.array([*theirs.values()]))
        for a, b in zip(line, dfp, strict=True)
        if "refused" not in (a.word, b.word)
        for task, ours in a.numbers[-1].rates.items()
        if ours and (theirs := b.numbers[-1].rates[task])
    ]
    if not pairs:
        return "has no task with DFP"
    weight = 1 / len(pairs)
    found = combination([part for ours, theirs in pairs for part in ((weight, ours), (-weight, theirs))])
    interval = "" if math.isnan(found.low) else f" from {found.low:.1f} to {found.high:.1f}"
    return f"{found.value:+.1f}{interval} ({len(pairs)} {'task' if len(pairs) == 1 else 'tasks'})"


def pointed_out(runs: Sequence[Run], folders: Iterable[str]) -> str:
    """What is to be said of runs that a table leaves out: three kinds of them by name, and how to see them all."""
    kinds = list(dict.fromkeys(label_of(run.start["config"]) for run in runs))
    named = "; ".join(kinds[:3]) + f"; {len(kinds) - 3} other kinds" * (len(kinds) > 3)
    count = "1 finished run of this preset is" if len(runs) == 1 else f"{len(runs)} finished runs of this preset are"
    return f"{count} not in it: {named}. `--with {' '.join(folders)}` gives each kind a row."
