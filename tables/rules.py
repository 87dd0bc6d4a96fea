"""The rules of every table, in one place.

- A cell is the mean over seeds of the success rate of a phase's last evaluation (Table 7: the mean of those in the last fifth
  of its steps); its std is the sample standard deviation (ddof 1) over seeds. A column of several tasks is the mean over
  tasks, without a std.
- Only finished runs count. Failed and unfinished ones are named at their cell. Of two runs for one seed the later one counts,
  and the cell says so.
- A mean over fewer seeds than asked shows how many (3/5). While a column has such a mean, nothing in it is ranked.
- The best numbers of a column are bold, all that tie; the next lower ones are underlined (dense rank). What prints the same
  ties.
- Runs of different simulators, data or configurations are not averaged: the cell is refused, or, when the user insists, carries
  a footnote. Rows that differ in simulator or data are compared with a note under the table.
- Generated data is marked. A script that runs on processors that round differently soon makes other rows of the same kind: they
  count as the same data, and a cell that has several says so.
"""

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from eval.record import HARMLESS, Run
from tables.result import Cell, Mark, Number, Rates

GENERATED = "trained on generated data, not on the official or the human data"
REMADE = "its data are of one script on processors that round differently: other rows of the same kind"
RECIPE = ("generator", "script", "episodes", "versions")  # what tells one kind of generated data from another
ROUNDING = 1e-3  # how far apart the last observations of a fixed rollout may be (envs/physics.py)


def summarise(rates: Rates) -> Number:
    """The mean over tasks of the mean over seeds; nothing while a task has no seed."""
    n = min(len(seeds) for seeds in rates.values())
    if n == 0:
        return Number(rates=rates)
    means = [statistics.fmean(seeds.values()) for seeds in rates.values()]
    (seeds, *others) = rates.values()
    std = statistics.stdev(seeds.values()) if not others and n > 1 else None
    return Number(statistics.fmean(means), std, n, rates)


def average(cells: Sequence[Cell]) -> Cell:
    """The mean over a line's columns; empty while one of them is."""

    def over(numbers: Sequence[Number]) -> Number:
        means = [number.mean for number in numbers if number.mean is not None]
        if len(means) < len(numbers):
            return Number()
        return Number(statistics.fmean(means), None, min(number.n for number in numbers))

    phases = zip(*(cell.numbers for cell in cells), strict=True)
    return Cell(tuple(map(over, phases)), wanted=cells[0].wanted)


def marks(means: Sequence[float | None]) -> list[Mark]:
    """Best and second-best of a column, by dense rank; no marks where there is nothing to compare."""
    ranks = sorted({mean for mean in means if mean is not None}, reverse=True)
    if sum(mean is not None for mean in means) < 2:
        return [""] * len(means)
    names: dict[float | None, Mark] = dict(zip(ranks, ("best", "second"), strict=False))
    return [names.get(mean, "") for mean in means]


def ranked(grid: Sequence[Sequence[Cell]], decimals: int) -> list[list[Cell]]:
    """A grid of methods by columns, each phase of each column with its marks."""

    def column(cells: Sequence[Cell]) -> list[Cell]:
        phases = []
        for numbers in zip(*(cell.numbers for cell in cells), strict=True):
            whole = all(n.mean is None or n.n >= cell.wanted for n, cell in zip(numbers, cells, strict=True))
            printed = [round(n.mean, decimals) if whole and n.mean is not None else None for n in numbers]
            phases.append([replace(n, mark=mark) for n, mark in zip(numbers, marks(printed), strict=True)])
        return [replace(cell, numbers=numbers) for cell, numbers in zip(cells, zip(*phases, strict=True), strict=True)]

    columns = [column(cells) for cells in zip(*grid, strict=True)]
    return [list(line) for line in zip(*columns, strict=True)]


def counted(runs: Iterable[Run], phases: Sequence[str]) -> tuple[dict[int, Run], list[str]]:
    """The run that counts for each seed, and what is to be said of those that do not."""
    by_seed: dict[int, Run] = {}
    times: Counter[int] = Counter()
    notes = []
    for run in sorted(runs, key=lambda run: run.start["created"]):
        if run.status != "finished":
            reason = (run.end or {}).get("reason")
            notes.append(f"not counted: {run.path} ({run.status}{f', {reason}' if reason else ''})")
            continue
        for seed in run.start["config"]["seeds"]:
            if all(run.last(seed, phase) for phase in phases):
                by_seed[seed] = run
                times[seed] += 1
    for seed, number in times.items():
        if number > 1:
            notes.append(f"seed {seed} has {number} runs: the latest counts, {by_seed[seed].path}")
    return dict(sorted(by_seed.items())), notes


def conflict(runs: Iterable[Run]) -> str | None:
    """The first two runs that must not be averaged, and why; None when all agree."""
    first, *others = {run.path: run for run in runs}.values()
    for other in others:
        if where := difference(first, other):
            return f"{first.path} and {other.path} differ in {where}"
    return None


def difference(a: Run, b: Run) -> str | None:
    """Where two runs were made under different conditions."""
    return ground_difference(a, b) or _config_difference(a.start["config"], b.start["config"])


def ground_difference(a: Run, b: Run) -> str | None:
    """Whether two runs had different simulators or data. What differs by rounding alone (other processors) is the same."""
    data = [fact(run, "dataset", "sha256") for run in (a, b)]
    if data[0] != data[1] and not _same_recipe(a, b):
        return f"dataset (sha256 {str(data[0])[:12]}, {str(data[1])[:12]})"
    if fact(a, "physics", "hash") == fact(b, "physics", "hash"):
        return None
    ends = [fact(run, "physics", "last_obs") or [] for run in (a, b)]
    distance = max((abs(x - y) for x, y in zip(*ends, strict=False)), default=math.inf)
    if len(ends[0]) != len(ends[1]) or distance > ROUNDING:
        return f"physics (a fixed rollout ends {distance:.2g} apart)"
    return None


def _same_recipe(a: Run, b: Run) -> bool:
    recipes = [[fact(run, "dataset", key) for key in RECIPE] for run in (a, b)]
    return on_generated_data(a) and on_generated_data(b) and recipes[0] == recipes[1]


def fact(run: Run, part: str, key: str) -> Any:
    """A field of the record's `physics` or `dataset`; None in records that have none."""
    found = run.start.get(part)
    return found.get(key) if isinstance(found, dict) else None


def _config_difference(a: dict[str, Any], b: dict[str, Any]) -> str | None:
    for key in sorted((a.keys() & b.keys()) - HARMLESS):
        if isinstance(a[key], dict) and isinstance(b[key], dict):
            if inner := _config_difference(a[key], b[key]):
                return f"{key}.{inner}"
        elif a[key] != b[key]:
            return f"{key} ({a[key]}, {b[key]})"
    return None


def unlike(label: str, cells: Iterable[Cell]) -> str | None:
    """A note when the rows of one task's column were made on different ground."""
    runs = [cell.runs[0] for cell in cells if cell.runs]
    for other in runs[1:]:
        if where := ground_difference(runs[0], other):
            return f"{label}: not all rows are comparable, {runs[0].path} and {other.path} differ in {where}"
    return None


def remarks(runs: Iterable[Run]) -> list[str]:
    """What a reader must know of the runs behind a cell."""
    runs = list(runs)
    generated = [GENERATED] if any(map(on_generated_data, runs)) else []
    if len({fact(run, "dataset", "sha256") for run in runs}) > 1 and all(map(on_generated_data, runs)):
        generated.append(REMADE)
    imported = [f"imported from {path}" for path in dict.fromkeys(run.path for run in runs if is_imported(run))]
    return generated + imported


def on_generated_data(run: Run) -> bool:
    return fact(run, "dataset", "source") == "generated"


def is_imported(run: Run) -> bool:
    return run.path.suffix == ".csv"
