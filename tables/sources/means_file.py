"""Means of others whose seeds are not public, from a CSV file: `method,task,step,mean,seeds` and, if wanted, `phase`, `std` and
95 % bounds, `ci_low,ci_high`.

    method,task,phase,step,mean,ci_low,ci_high,seeds
    qc-fql,cube-triple-task2,online,1000000,0.7640,0.6700,0.8600,4

A line is the mean over seeds of one evaluation; it, its std and its bounds are shares of episodes, from 0 to 1. Such numbers
stand in `leaderboard` and `compare`; the tables and figures are of runs, and these are none.
"""

from pathlib import Path
from typing import NamedTuple

from tables.result import Number
from tables.sources import lines

REQUIRED = ("method", "task", "step", "mean", "seeds")
OPTIONAL = ("phase", "std", "ci_low", "ci_high")


class Mean(NamedTuple):
    """What others say of a method on a task at one step, in percent."""

    method: str
    task: str
    phase: str
    step: int
    number: Number


def holds_means(path: Path) -> bool:
    """Whether a file is one of means without seeds."""
    try:
        columns, _ = lines.read(path)
    except (ValueError, OSError):
        return False
    return "mean" in columns and "seed" not in columns


def read_means(path: Path) -> list[Mean]:
    """The last evaluation of each phase; bad lines are named on stderr. ValueError where a column is missing."""
    last: dict[tuple[str, str, str], Mean] = {}
    for _, mean in lines.parsed(path, REQUIRED, OPTIONAL, parse):
        key = mean.method, mean.task, mean.phase
        if key not in last or last[key].step <= mean.step:
            last[key] = mean
    return list(last.values())


def parse(values: dict[str, str]) -> Mean:
    """One line. ValueError names what is wrong."""
    lines.given(values, REQUIRED)

    def percent(name: str) -> float | None:
        return 100 * lines.share(values, name) if values.get(name) else None

    low, high = percent("ci_low"), percent("ci_high")
    interval = None if low is None or high is None else (low, high)
    number = Number(100 * lines.share(values, "mean"), percent("std"), lines.whole(values, "seeds"), interval=interval)
    return Mean(lines.method(values), values["task"], lines.phase(values), lines.whole(values, "step"), number)
