"""How far two tables rank methods alike: Kendall's tau with a bootstrap interval."""

import math
from collections.abc import Mapping

import numpy as np

from tables.result import Cell, Number, Result
from tables.stats import LEVEL, Array

RESAMPLES = 2_000
FEWEST = 3  # methods in a column, below which an order says nothing


def agreement(result: Result, tasks_down: bool, printed: Mapping[tuple[str, str], Cell]) -> str:
    """What is to be said under a table, of each column's methods in their last phase; nothing where there are too few."""
    table = result.transposed("") if tasks_down else result
    columns, where = [], []
    for place, column in enumerate(table.columns):
        pairs = [
            (line.cells[place].numbers[-1], printed[line.label, column].numbers[-1])
            for line in table.lines
            if column != "Avg." and (line.label, column) in printed and line.cells[place].numbers
        ]
        known = [(ours, theirs) for ours, theirs in pairs if ours.mean is not None]
        if len(known) >= FEWEST:
            columns.append(known)
            where.append(f"{len(known)} methods on {column}")
    if not columns:
        return ""
    value = tau([(means(ours), means(theirs)) for ours, theirs in (zip(*column, strict=True) for column in columns)])
    if math.isnan(value):
        return ""
    rng = np.random.default_rng(0)
    drawn = tau([(redrawn(o, rng), redrawn(t, rng)) for o, t in (zip(*column, strict=True) for column in columns)])
    low, high = np.nanquantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return (
        f"Rank agreement with the paper: Kendall's tau {value:.2f}, 95 % from {low:.2f} to {high:.2f} ({', '.join(where)}; our "
        "seeds and the paper's means redrawn, which is too narrow for few seeds)."
    )


def tau(columns: list[tuple[Array, Array]]) -> Array:
    """Kendall's tau-b of the pairs within columns [..., methods], all columns together; nan where everything ties."""
    agree = ours = theirs = np.zeros(())
    for x, y in columns:
        first, second = np.triu_indices(x.shape[-1], 1)
        dx, dy = (np.sign(one[..., first] - one[..., second]) for one in (x, y))
        agree, ours, theirs = agree + (dx * dy).sum(-1), ours + (dx != 0).sum(-1), theirs + (dy != 0).sum(-1)
    with np.errstate(invalid="ignore"):
        return agree / np.sqrt(ours * theirs)


def means(numbers: tuple[Number, ...]) -> Array:
    return np.array([number.mean for number in numbers])


def redrawn(numbers: tuple[Number, ...], rng: np.random.Generator) -> Array:
    """[resamples, methods]: seeds redrawn within each task; of a printed mean a normal one with its standard error."""

    def one(number: Number) -> Array:
        if number.rates:
            seeds = [np.array([*by_seed.values()]) for by_seed in number.rates.values()]
            return np.mean([rng.choice(task, (RESAMPLES, len(task))).mean(-1) for task in seeds], 0)
        error = (number.std or 0.0) / math.sqrt(number.n or 1)
        return np.full(RESAMPLES, number.mean) + error * rng.standard_normal(RESAMPLES)

    return np.stack([one(number) for number in numbers], -1)
