"""Every table by its name: from records, or as the paper prints it."""

from collections.abc import Sequence

from eval.results.record import Run
from tables import cells, costs, published, settings
from tables.result import Result
from tables.spec import TABLES

NAMES = ("1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "quick")
IN_PAPER = [name for name in NAMES if name != "quick"]
COMPARABLE = [name for name in IN_PAPER if name in TABLES]
"""The paper's tables of success rates."""


def from_paper(name: str) -> Result:
    """A table as the paper prints it."""
    printed = {"5": settings.published_5, "8": settings.published_8, "9": costs.published_9, "10": costs.published_10}
    return published.build(name) if name in TABLES else printed[name]()


def from_records(name: str, runs: Sequence[Run], benches: Sequence[costs.Bench], preset: str, mixed: bool = False) -> Result:
    """A table as the records have it. `mixed` shows means that the rules refuse, with a footnote."""
    match name:
        case "5":
            return settings.build_5(runs, preset)
        case "8":
            return settings.build_8(runs, preset)
        case "9":
            return costs.build_9(benches, preset)
        case "10":
            return costs.build_10(runs, preset)
    return cells.build(name, TABLES[name], runs, preset, mixed)


def check(names: Sequence[str], allowed: Sequence[str], why: str = "") -> None:
    """ValueError for a table that there is not, or not for this."""
    for name in names:
        if name not in NAMES:
            raise ValueError(f"unknown table '{name}'; there are {', '.join(NAMES)}")
        if name not in allowed:
            raise ValueError(f"table {name} {why}; there are {', '.join(allowed)}")
