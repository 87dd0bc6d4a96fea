"""Every table by its name: from records, or as the paper prints it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from eval.results.record import Run
from tables import cells, costs, own, published, settings
from tables.added import with_rows
from tables.result import Cell, Result
from tables.spec import TABLES


@dataclass(frozen=True)
class Other:
    """A table of the paper that is not of success rates, so that `TABLES` cannot have it."""

    from_paper: Callable[[], Result]
    from_records: Callable[[Sequence[Run], Sequence[costs.Bench], str], Result]


OTHERS = {
    "5": Other(settings.published_5, lambda runs, benches, preset: settings.build_5(runs, preset)),
    "8": Other(settings.published_8, lambda runs, benches, preset: settings.build_8(runs, preset)),
    "9": Other(costs.published_9, lambda runs, benches, preset: costs.build_9(benches, preset)),
    "10": Other(costs.published_10, lambda runs, benches, preset: costs.build_10(runs, preset)),
}
COMPARABLE = [name for name, table in TABLES.items() if table.in_paper]
"""The paper's tables of success rates."""
IN_PAPER = sorted([*COMPARABLE, *OTHERS], key=int)
OWN = "own"
"""The table of tasks from outside, whose rows and columns are what the records have."""
NAMES = [*IN_PAPER, *(name for name in TABLES if name not in COMPARABLE), OWN]


def from_paper(name: str) -> Result:
    """A table as the paper prints it: its averages as printed, the best marked by the rules."""
    if name in OTHERS:
        return OTHERS[name].from_paper()
    table, found = TABLES[name], published.cells(name)
    rows, columns = (list(dict.fromkeys(labels)) for labels in zip(*found, strict=True))
    grid = [[found[row, column] for column in columns] for row in rows]
    notes = published.read()[name].get("notes", ())
    return cells.assemble(name, table, f"{table.title}. {published.SOURCE}.", rows, columns, grid, notes)


def from_records(
    name: str,
    runs: Sequence[Run],
    benches: Sequence[costs.Bench],
    preset: str,
    mixed: bool = False,
    added: Sequence[Run] = (),
) -> Result:
    """A table as the records have it. `mixed` shows means that the rules refuse, with a footnote; `added` are those of the runs
    that have rows of their own in tables of success rates, where no row has them."""
    if name in OTHERS:
        return OTHERS[name].from_records(runs, benches, preset)
    if name == OWN:
        return own.build(runs, preset, mixed)
    return cells.build(name, with_rows(TABLES[name], added, preset), runs, preset, mixed)


def by_labels(result: Result) -> dict[frozenset[str], Cell]:
    """Cells by the labels of line and column, whichever way the table is printed."""
    return {
        frozenset((line.label, column)): cell
        for line in result.lines
        for column, cell in zip(result.columns, line.cells, strict=True)
    }


def check(names: Sequence[str], allowed: Sequence[str], why: str = "", preset: str | None = None) -> None:
    """ValueError for a table that there is not, or not for this, or not of this preset."""
    for name in names:
        if name not in NAMES:
            raise ValueError(f"unknown table '{name}'; there are {', '.join(NAMES)}")
        if name not in allowed:
            raise ValueError(f"table {name} {why}; there are {', '.join(allowed)}")
        only = TABLES[name].preset if name in TABLES else None
        if preset and only and preset != only:
            raise ValueError(f"--preset {preset}: table {name} is of preset {only}")
