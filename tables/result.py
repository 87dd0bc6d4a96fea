"""What a table is before it is printed: lines of cells, each a few numbers with the evidence behind them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from eval.results.record import Run

Mark = Literal["", "best", "second"]
Rates = Mapping[str, Mapping[int, float]]


@dataclass(frozen=True)
class Number:
    """A mean over seeds, its sample standard deviation, and how many seeds it is of (the fewest of any of its tasks)."""

    mean: float | None = None
    std: float | None = None
    n: int = 0
    rates: Rates = field(default_factory=dict)
    """Success rates in percent by task and seed; empty where only the mean is known."""
    mark: Mark = ""
    interval: tuple[float, float] | None = None
    """95 % bounds of the mean: as others published them, or a bootstrap's."""


@dataclass(frozen=True)
class Gap:
    """What a cell lacks: the command that fills it, and the runs that this command makes."""

    command: str
    label: str
    method: str
    preset: str
    task: str = ""
    protocol: str = ""
    seeds: tuple[int, ...] = ()
    wanted: int = 0


@dataclass(frozen=True)
class Cell:
    """One number a phase, or a word; the runs it is made of, what is to be said of them, and what is missing."""

    numbers: tuple[Number, ...] = ()
    word: str = ""
    wanted: int = 0
    runs: tuple[Run, ...] = ()
    notes: tuple[str, ...] = ()
    gaps: tuple[Gap, ...] = ()
    beside: "Cell | None" = None  # what the paper prints, where that is to be shown


@dataclass(frozen=True)
class Line:
    label: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Result:
    """A table, whole. `phases` names the numbers of a cell; `decimals` are those of a mean and of a std."""

    name: str
    title: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()
    phases: tuple[str, ...] = ("",)
    decimals: tuple[int, int] = (1, 0)
    corner: str = "method"
    plan: tuple[Gap, ...] | None = None
    """What the whole table lacks, where not all of it is shown."""
    left_out: tuple[Run, ...] = ()
    """Finished runs of its preset on its tasks that belong to none of its lines, the newest first."""

    def gaps(self) -> list[Gap]:
        """Everything that is missing, each command once."""
        if self.plan is not None:
            return list(self.plan)
        return list({gap.command: gap for line in self.lines for cell in line.cells for gap in cell.gaps}.values())

    def transposed(self, corner: str) -> "Result":
        """The same table with its columns as lines."""
        columns = zip(*(line.cells for line in self.lines), strict=True)
        lines = tuple(Line(label, cells) for label, cells in zip(self.columns, columns, strict=True))
        return replace(self, columns=tuple(line.label for line in self.lines), lines=lines, corner=corner)
