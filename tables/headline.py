"""A table as the headline command shows it: of the preset that has runs, and how it stands to the paper.

Without --preset a table is of the preset nearest to the paper's that has a whole column of it, and of the tasks that have runs,
whether the paper has them or not. Its title says which preset that is and how large its runs are, its notes what else that
preset changes and which tasks have no runs. Under the paper's tables stands how far ranks agree. With --preset the table is of
the paper's tasks, empty or not.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from eval.config.methods import OFFLINE, ROBOMIMIC_DATA, TABLE_8, Values
from eval.config.presets import PRESETS
from eval.results.record import HARMLESS, NOT_OFFLINE, Run
from tables import published
from tables.added import ADDED, with_rows
from tables.agreement import agreement
from tables.build import COMPARABLE, IN_PAPER, by_labels, from_paper, from_records
from tables.cells import build
from tables.costs import Bench
from tables.result import Cell, Line, Result
from tables.spec import TABLES, Table, belongs, each

NEAREST = ("paper", "release", *(name for name in reversed(PRESETS) if name not in ("paper", "release")))
"""Presets, those nearest to the paper's first."""
BY_TASK = {name for values in TABLE_8.values() for name in values}
"""What DFP has other values of on each task of the offline protocol."""
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
    added: Sequence[Run] = (),
) -> Result:
    """The table of a preset, or of the nearest one that has runs. `beside` lays the published numbers next to ours; `added` are
    runs that have rows of their own where no row has them."""
    chosen = preset or nearest(name, runs, benches)
    make = from_records if preset else of_tasks_with_runs
    result = make(name, runs, benches, chosen, mixed, added)
    if not preset:
        result = with_deviations(result, chosen)
    if added and not any(ADDED in label for label in (*result.columns, *(line.label for line in result.lines))):
        which = f"on these tasks, of preset {chosen} or trained elsewhere,"
        nothing = f"No row was added: --with has no finished run {which} that is not in the table already."
        result = replace(result, notes=(*result.notes, nothing))
    if name in COMPARABLE and (said := agreement(result, TABLES[name].tasks_down, published.cells(name))):
        result = replace(result, notes=(*result.notes, said))
    return with_published(result) if beside and name in IN_PAPER else result


def with_deviations(result: Result, preset: str) -> Result:
    """A table of success rates whose title and notes say how its preset differs from the paper's."""
    if result.name not in COMPARABLE or preset == "paper":
        return result
    counted = [run for line in result.lines for cell in line.cells for run in cell.runs]
    datasets = {run.start["dataset"].get("name", "") for run in counted}
    size, rest = deviations(preset, TABLES[result.name].protocol, datasets)
    also = f"Preset {preset} also differs from the paper's (in brackets DFP's on OGBench, of Table 5) in {rest}."
    notes = (*result.notes, also) if size and rest else result.notes
    return replace(result, title=f"{result.title} Not the paper's: {size or rest}.", notes=notes)


def nearest(name: str, runs: Sequence[Run], benches: Sequence[Bench], of_paper: bool = False) -> str:
    """The preset nearest to the paper's whose table has a whole column; while none has one, the preset with most numbers.

    `of_paper`: the nearest one that has any number on the paper's tasks.
    """
    if name in TABLES and (only := TABLES[name].preset):
        return only
    make = from_records if of_paper else of_tasks_with_runs
    numbers = {preset: completeness(make(name, runs, benches, preset), preset) for preset in NEAREST}
    best = max(NEAREST, key=lambda preset: any(numbers[preset]) if of_paper else numbers[preset])  # of equals the first
    return best if any(numbers[best]) else "paper"


def completeness(result: Result, preset: str) -> tuple[bool, int]:
    """Whether a table has a whole column of the preset's runs, or of times without runs; if it has none, how many numbers."""

    def filled(cell: Cell) -> bool:
        own = not cell.runs or any(run.start["config"]["preset"] == preset for run in cell.runs)
        return own and any(number.mean is not None for number in cell.numbers)

    tasks_down = result.name in TABLES and TABLES[result.name].tasks_down
    table = result.transposed("") if tasks_down else result
    grid = [[filled(cell) for cell in line.cells] for line in table.lines]
    whole = any(map(all, zip(*grid, strict=True)))
    return whole, 0 if whole else sum(map(sum, grid))


def of_tasks_with_runs(
    name: str,
    runs: Sequence[Run],
    benches: Sequence[Bench],
    preset: str,
    mixed: bool = False,
    added: Sequence[Run] = (),
) -> Result:
    """At a size that is not the paper's, a table of the tasks that its rows have runs of; else the paper's table."""
    whole = from_records(name, runs, benches, preset, mixed, added)
    if name not in COMPARABLE or preset == "paper":
        return whole
    table = with_rows(TABLES[name], added, preset)
    tasks = tasks_with_runs(table, runs, preset)
    if not tasks:
        return whole
    of_paper = [task for column in table.columns for task in column.tasks]
    missing, others = [task for task in of_paper if task not in tasks], [task for task in tasks if task not in of_paper]
    if not missing and not others:
        return whole
    notes = [f"The paper's table does not have {', '.join(others)}."] * bool(others)
    seen = f"`python -m tables {name} --preset {preset}` shows the paper's tasks"
    notes += [f"No runs of {', '.join(missing)}; {seen}."] * bool(missing)
    shown = with_rows(replace(table, columns=each(*tasks), average=False), added, preset)
    result = build(name, shown, runs, preset, mixed)
    return replace(result, notes=(*result.notes, *notes), plan=tuple(whole.gaps()))


def tasks_with_runs(table: Table, runs: Sequence[Run], preset: str) -> list[str]:
    """The table's tasks that have a finished run of any of its rows, and other tasks that have one of two rows."""
    rows: dict[str, set[str]] = {}
    for run in runs:
        config = run.start["config"]
        if run.status == "finished" and (config["preset"], config["protocol"]) == (preset, table.protocol):
            rows.setdefault(config["task"], set()).update(row.label for row in table.rows if belongs(config, row))
    own = [task for column in table.columns for task in column.tasks]
    others = sorted(task for task, labels in rows.items() if task not in own and len(labels) > 1)
    return [*(task for task in own if rows.get(task)), *others]


def deviations(preset: str, protocol: str, datasets: Collection[str]) -> tuple[str, str]:
    """How a preset differs from the paper, on these datasets, in sizes and in the rest; the numbers of Table 5 in brackets,
    where it has them."""
    own, paper = PRESETS[preset], by_field()
    if protocol == "offline":
        paper = {name: text for name, text in paper.items() if name not in BY_TASK}
    untold = HARMLESS | (NOT_OFFLINE | OFFLINE.keys() if protocol == "offline" else set())
    values = {**own.values, **own.offline_protocol} if protocol == "offline" else own.values
    new = {name: shown(value) for name, value in values.items() if name not in untold and shown(value) != paper.get(name)}
    sizes = [f"{new[name]} {words} ({paper[name]})" for name, words in SIZES.items() if name in new]
    rest = [
        f"{name} {value}" + (f" ({paper[name]})" if name in paper else "") for name, value in new.items() if name not in SIZES
    ]
    for name, text in on_some({d: own.by_dataset[d] for d in own.by_dataset if d in datasets}, new.keys()):
        (sizes if name in SIZES else rest).append(text)
    if protocol != "offline" and set(ROBOMIMIC_DATA).intersection(datasets):
        there = {name: text for name, text in by_field("Robomimic").items() if text != paper[name] and name in values}
        rest += [
            f"{name} {shown(values[name])} on robomimic ({text})" for name, text in there.items() if shown(values[name]) != text
        ]
    return ", ".join(sizes), ", ".join(rest)


def on_some(by_dataset: Mapping[str, Values], names: Collection[str]) -> list[tuple[str, str]]:
    """Which of these values are others on some datasets, by name, in words."""
    places: dict[tuple[str, str], list[str]] = {}
    for dataset, values in by_dataset.items():
        for name in filter(names.__contains__, values):
            text = f"{shown(values[name])} {SIZES[name]}" if name in SIZES else f"{name} {values[name]}"
            places.setdefault((name, text), []).append(dataset)
    return [(name, f"{text} on {', '.join(datasets)}") for (name, text), datasets in places.items()]


def by_field(column: str = "OGBench") -> dict[str, str]:
    """A column of Table 5 by the last part of a field's name, as presets name values."""
    return {path.rpartition(".")[2]: shown(text) for path, text in published.table_5(column).items()}


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
