"""The numbers that the paper prints (arXiv 2605.07727), read from published.toml."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from tables.result import Cell, Line, Number, Result
from tables.spec import TABLES

SOURCE = "As printed in arXiv 2605.07727"

TABLE_5_FIELDS = {
    "Batch size": "algo.batch_size",
    "Discount factor γ": "algo.discount",
    "Learning rate": "algo.learning_rate",
    "Target network update rate τ": "algo.target_rate",
    "Number of offline training steps": "offline_steps",
    "Number of online training steps": "online_steps",
    "Policy network width": "backbone.width",
    "Policy network depth (hidden layers)": "backbone.depth",
    "Value network width": "algo.critic_width",
    "Value network depth (hidden layers)": "algo.critic_depth",
    "Value ensemble size": "algo.num_critics",
    "Chunking horizon (1 for FQL, BFN)": "algo.horizon",
    "Number of candidates for top-K, N": "algo.num_candidates",
    "Number of generated actions, N_gen": "backbone.num_generated",
    "Drift weight λ": "algo.elite_weight",
    "Actor EMA smoothing τ_EMA": "algo.old_policy_rate",
    "Number of best-of-N', N'": "algo.best_of",
    "Top-K positive set size K": "algo.num_elites",
    "Kernel bandwidth h": "backbone.temperatures",
}
"""Where a configuration has the parameters of Table 5; what is not here has no choice in the suite."""


@cache
def read() -> dict[str, Any]:
    """The file, by the tables' names."""
    tables = tomllib.loads(Path(__file__).with_name("published.toml").read_text(encoding="utf-8"))
    return {name.removeprefix("table-"): table for name, table in tables.items()}


def table_5(column: str = "OGBench") -> dict[str, str]:
    """DFP's values as Table 5 prints them for "OGBench" or "Robomimic", by the configuration's fields."""
    table = read()["5"]
    place = table["columns"].index(column)
    return {field: table["rows"][label][place] for label, field in TABLE_5_FIELDS.items()}


def shown(value: Any) -> str:
    """A parameter's value as the paper prints it; a set of bandwidths as a list."""
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def parse(text: str, seeds: int = 0) -> tuple[Number, ...]:
    """'90.4 ± 7.1 → 97.6 ± 2.2' as a number for each phase."""

    def number(mean: str, _: str, std: str) -> Number:
        return Number(float(mean), float(std) if std else None, seeds)

    return tuple(number(*part.partition(" ± ")) for part in text.split(" → "))


def cells(name: str) -> dict[tuple[str, str], Cell]:
    """A table of success rates by the labels of method and column, whichever way the paper prints it."""
    table, down = read()[name], TABLES[name].tasks_down
    seeds = table["seeds"]
    return {
        (column, row) if down else (row, column): Cell(parse(text, seeds), wanted=seeds)
        for row, texts in table["rows"].items()
        for column, text in zip(table["columns"], texts, strict=True)
    }


def verbatim(name: str, title: str, corner: str, numeric: bool = False, decimals: tuple[int, int] = (0, 0)) -> Result:
    """A table that is no table of success rates, as printed."""
    table = read()[name]

    def cell(text: str) -> Cell:
        return Cell(parse(text)) if numeric else Cell(word=text)

    lines = tuple(Line(label, tuple(map(cell, texts))) for label, texts in table["rows"].items())
    columns, notes = tuple(table["columns"]), tuple(table.get("notes", ()))
    return Result(name, f"{title}. {SOURCE}.", columns, lines, notes, decimals=decimals, corner=corner)
