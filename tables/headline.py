"""A table as the headline command shows it: of the preset that has runs, and how it stands to the paper.

Without --preset a table is of the preset nearest to the paper's that has runs for it. Its title says which that is and how
large its runs are, its notes what else that preset changes. Under the paper's tables stands how far ranks agree.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from eval.config.methods import ROBOMIMIC_DATA
from eval.config.presets import PRESETS
from eval.results.record import HARMLESS, Run
from tables import published
from tables.agreement import agreement
from tables.build import COMPARABLE, IN_PAPER, by_labels, from_paper, from_records
from tables.costs import Bench
from tables.result import Line, Result
from tables.spec import TABLES

NEAREST = ("paper", "release", *(name for name in reversed(PRESETS) if name not in ("paper", "release")))
"""Presets, those nearest to the paper's first."""
SIZES = {
    "offline_steps": "steps offline",
    "online_steps": "steps online",
    "width": "wide",
    "depth": "deep",
    "batch_size": "a batch",
}


def headline(
    name: str,
    runs: Sequence[Run],
    benches: Sequence[Bench],
    preset: str | None = None,
    mixed: bool = False,
    beside: bool = False,
) -> Result:
    """The table of a preset, or of the nearest one that has runs. `beside` lays the published numbers next to ours."""
    chosen = preset or nearest(name, runs, benches)
    result = from_records(name, runs, benches, chosen, mixed)
    if not preset and name in COMPARABLE and chosen != "paper":
        size, rest = deviations(chosen, TABLES[name].protocol)
        result = replace(result, title=f"{result.title} Not the paper's: {size or rest}.")
        if size and rest:
            result = replace(result, notes=(*result.notes, f"Preset {chosen} also differs from the paper's in {rest}."))
    if name in COMPARABLE and (said := agreement(result, TABLES[name].tasks_down, published.cells(name))):
        result = replace(result, notes=(*result.notes, said))
    return with_published(result) if beside and name in IN_PAPER else result


def nearest(name: str, runs: Sequence[Run], benches: Sequence[Bench]) -> str:
    """The preset nearest to the paper's that has runs for a table; the paper's own while none has."""
    if name in TABLES and (only := TABLES[name].preset):
        return only
    return next((one for one in NEAREST if is_filled(from_records(name, runs, benches, one), one)), "paper")


def is_filled(result: Result, preset: str) -> bool:
    """Whether runs of the preset, or times without runs, stand in a table."""
    cells = [cell for line in result.lines for cell in line.cells]
    own = any(run.start["config"]["preset"] == preset for cell in cells for run in cell.runs)
    return own or any(number.mean for cell in cells if not cell.runs for number in cell.numbers)


def deviations(preset: str, protocol: str) -> tuple[str, str]:
    """How a preset differs from the paper, in sizes and in the rest; the numbers of Table 5 in brackets, where it has them."""
    values, paper = PRESETS[preset].values, by_field()
    new = {name: shown(value) for name, value in values.items() if name not in HARMLESS and shown(value) != paper.get(name)}
    if protocol == "offline":
        new.pop("online_steps", None)
    own = {} if protocol == "offline" else PRESETS[preset].by_dataset.get(ROBOMIMIC_DATA[0], {})
    sizes = [f"{new[name]} {words} ({paper[name]})" for name, words in SIZES.items() if name in new]
    sizes += [f"on robomimic {shown(value)} {SIZES[name]}" for name, value in own.items() if name in SIZES]
    rest = [
        f"{name} {value}" + (f" ({paper[name]})" if name in paper else "") for name, value in new.items() if name not in SIZES
    ]
    return ", ".join(sizes), ", ".join(rest)


def by_field() -> dict[str, str]:
    """Table 5 by the last part of a field's name, as presets name values."""
    return {path.rpartition(".")[2]: shown(text) for path, text in published.table_5().items()}


def shown(value: Any) -> str:
    text = published.shown(value)
    return f"{int(text):,}" if text.isdecimal() else text


def with_published(result: Result) -> Result:
    """The table with what the paper prints in each of its cells."""
    printed = by_labels(from_paper(result.name))

    def line(line: Line) -> Line:
        cells = zip(result.columns, line.cells, strict=True)
        return replace(line, cells=tuple(replace(cell, beside=printed.get(frozenset((line.label, c)))) for c, cell in cells))

    note = f"In grey, between ‹ and ›: {published.SOURCE[0].lower()}{published.SOURCE[1:]}."
    return replace(result, lines=tuple(map(line, result.lines)), notes=(*result.notes, note))
