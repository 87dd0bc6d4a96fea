"""From records to a table's cells. A cell knows the runs that it was made of, or the commands that would fill it."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from eval.record import Run
from tables.spec import Column, Row, Table


@dataclass(frozen=True)
class Cell:
    """Success rates in percent by task and seed, and the records they come from."""

    rates: dict[str, dict[int, float]]
    wanted: int
    runs: list[Run] = field(default_factory=list)

    @property
    def mean(self) -> float | None:
        """Mean over tasks of the mean over seeds; None while a task has no seed."""
        if not all(self.rates.values()):
            return None
        return statistics.mean(statistics.mean(seeds.values()) for seeds in self.rates.values())

    @property
    def std(self) -> float | None:
        """Sample standard deviation (ddof 1) over seeds, for a column of one task with two seeds or more."""
        (seeds, *others) = self.rates.values()
        return statistics.stdev(seeds.values()) if not others and len(seeds) > 1 else None

    def text(self) -> str:
        """mean ± std as the paper prints them, and (n/N) while seeds are missing."""
        if self.mean is None:
            return "-"
        n = min(len(seeds) for seeds in self.rates.values())
        spread = f" ± {self.std:.0f}" if self.std is not None else ""
        return f"{self.mean:.1f}{spread}" + (f" ({n}/{self.wanted})" if n < self.wanted else "")


def cell(table: Table, row: Row, column: Column, runs: Sequence[Run], preset: str) -> Cell:
    """The cell of a row and a column. Only finished runs count; of two runs for one seed the later one does."""
    rates: dict[str, dict[int, float]] = {task: {} for task in column.tasks}
    used = []
    for run in sorted(runs, key=lambda run: run.start["created"]):
        config = run.start["config"]
        if run.status != "finished" or config["preset"] != preset or config["task"] not in rates:
            continue
        if not matches(config, row) or (preset != "quick" and config["protocol"] != table.protocol):
            continue
        for seed in config["seeds"]:
            if evaluation := run.last(seed, table.phase):
                rates[config["task"]][seed] = 100 * statistics.mean(evaluation["success"])
        used.append(run)
    return Cell(rates, table.seeds, used)


def matches(config: dict[str, Any], row: Row) -> bool:
    """Whether a run is the row's method with the row's values, and with no other change."""

    def value(name: str) -> Any:
        part, _, field = name.partition(".")
        return config[part].get(field)

    wanted = row.changes
    return (
        config["method"] == row.method
        and all(value(name) == number for name, number in wanted.items())
        and not config["changes"].keys() - wanted.keys()
    )


def commands(table: Table, row: Row, column: Column, found: Cell, preset: str) -> list[str]:
    """What would fill the rest of a cell, one command a task."""
    lines = []
    for task in column.tasks:
        missing = [str(seed) for seed in range(table.seeds) if seed not in found.rates[task]]
        if missing:
            protocol = "" if preset == "quick" else f" --protocol {table.protocol}"
            run = f"python -m eval.run {row.options} --task {task} --preset {preset}{protocol}"
            lines.append(f"{run} --seeds {' '.join(missing)}")
    return lines
