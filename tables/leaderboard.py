"""`python -m tables leaderboard`: every method on every family of tasks, ours and what others published.

Numbers of one protocol are in one table and may be compared; other protocols, presets and data have tables of their own.
"""

import math
import re
import sys
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import numpy as np

from envs.command import Parser
from eval.config.presets import PRESETS
from eval.results.record import SUCCESS, scored_by
from tables import rules
from tables.entries import Entry, of_files, of_paper
from tables.options import add_options
from tables.render import render, to_csv
from tables.result import Cell, Line, Number, Result
from tables.sources.publications import FILE, Publication, publications
from tables.sources.runs import files
from tables.spec import MAIN, ROBOMIMIC_TASKS, cubes
from tables.stats import Array, Scores, bootstrap, interquartile_mean, mean

PUBLIC = Path(__file__).parents[1] / "records" / "public"
RESAMPLES = 2_000
SHARED = {
    "nine-cubes": ("The paper's nine cube tasks", tuple(t for size in ("double", "triple", "quadruple") for t in cubes(size))),
    "twelve-tasks": ("The paper's twelve tasks", tuple(column.label for column in MAIN)),
}
"""Sets of tasks over which methods are compared besides each family: a row needs all of them."""
READING = (
    "mean ± std over seeds; in brackets 95 % bounds, as others published them, else of a stratified bootstrap over seeds, "
    "which is too narrow for few seeds. Compare within this table: other protocols have tables of their own."
)


@dataclass(frozen=True)
class Group:
    """Entries that were made alike."""

    name: str
    title: str
    kind: str
    notes: tuple[str, ...]
    entries: tuple[Entry, ...]

    @property
    def last(self) -> str:
        """The phase with which its runs end."""
        return "offline" if self.kind == "offline" else "online"


def leaderboard(public: Path, ours: Sequence[Entry], phase: str | None = None, families: Sequence[str] = ()) -> list[Result]:
    """A table for each family of tasks and each protocol, at the end of a phase (None: of the protocol's last one)."""
    found = groups(public, ours)
    known = {name: None for group in found for name in families_of(group, phase or group.last)}
    if unknown := [name for name in families if name not in known]:
        raise ValueError(f"unknown family '{unknown[0]}'; there are {', '.join(sorted(known, key=place))}")
    names = sorted(families or known, key=place)
    return [
        board(name, group, phase or group.last)
        for name in names
        for group in found
        if name in families_of(group, phase or group.last)
    ]


def groups(public: Path, ours: Iterable[Entry]) -> list[Group]:
    """What others published, with those of our runs that follow the same protocol; then our other runs on the suite's tasks."""
    apart: dict[tuple[str, ...], list[Entry]] = defaultdict(list)
    joined: dict[str, list[Entry]] = defaultdict(list)
    known = publications(public)
    for entry in (entry for entry in ours if entry.number.mean is not None and not entry.from_outside):
        if publication := followed(entry, known):
            joined[publication.name].append(entry)
        else:
            apart[conditions(entry)].append(entry)
    found = []
    for one in known:
        theirs = of_files([public / name for name in one.files]) + of_paper([one.table] if one.table else [])
        notes = (*one.notes, f"Source: {one.source}.")
        found.append(Group(one.name, one.title, one.kind, notes, (*theirs, *joined[one.name])))
    for words, own in apart.items():
        about = tuple(PRESETS[preset].about for preset in {entry.preset for entry in own} & PRESETS.keys())
        title = ", ".join([f"Ours: preset {words[0]}" if own[0].origin == "ours" else words[0].capitalize(), *words[1:]])
        found.append(Group(slug("-".join(words)), title, own[0].protocol, about, tuple(own)))
    return found


def followed(entry: Entry, known: Iterable[Publication]) -> Publication | None:
    """The publication whose protocol a run of ours keeps to the letter, on the same data."""
    preset, kind, *deviations = conditions(entry)
    return next((one for one in known if preset in one.presets and kind == one.kind and not deviations), None)


def conditions(entry: Entry) -> tuple[str, ...]:
    """What makes entries comparable: preset, protocol, and what of the run is not the preset's; a file for imported ones."""
    if entry.origin == "imported":
        return (f"imported from {entry.source}", entry.protocol)
    run = entry.cell.runs[0]
    changes = [f"{name} {value}" for name, value in run.start["config"]["changes"].items() if "." not in name]
    generated = ["generated data"] * rules.on_generated_data(run)
    return (entry.preset, entry.protocol, *generated, *changes)


def families_of(group: Group, phase: str) -> dict[str, tuple[str, ...]]:
    """The families, and the sets of them, that a group has numbers for, each with its tasks."""
    own = {entry.task for entry in group.entries if entry.phase == phase}
    tasks = sorted(own, key=lambda task: (place(family_of(task)), place(task)))
    found = {name: tuple(goals) for name, goals in groupby(tasks, key=family_of)}
    return found | {name: goals for name, (_, goals) in SHARED.items() if complete(group, phase, goals)}


def complete(group: Group, phase: str, tasks: Collection[str]) -> list[Entry]:
    """The entries of methods that have all of these tasks."""
    own = rows(entry for entry in group.entries if entry.phase == phase and entry.task in tasks).values()
    return [entry for row in own if len(row) == len(tasks) for entry in row.values()]


def board(family: str, group: Group, phase: str) -> Result:
    """The methods of one protocol on one family, the best mean first."""
    tasks = families_of(group, phase)[family]
    entries = [entry for entry in group.entries if entry.phase == phase and entry.task in tasks]
    entries = complete(group, phase, tasks) if family in SHARED else entries
    lines = [(label, row, line(row, tasks)) for label, row in rows(entries).items()]
    lines.sort(key=lambda one: (one[2][-2].numbers[0].mean is None, -(one[2][-2].numbers[0].mean or 0.0), one[0]))
    ranked = rules.ranked([cells for _, _, cells in lines], 1)
    shown = tuple(Line(label, (seeds(row.values()), *cells)) for (label, row, _), cells in zip(lines, ranked, strict=True))
    title = SHARED[family][0] if family in SHARED else f"{family[0].upper()}{family[1:]}"
    scored = next((scored_by(run.start) for entry in entries for run in entry.cell.runs), SUCCESS)
    title = f"{title}, {scored} at the end of the {phase} phase. {group.title}."
    columns = ("seeds", *tasks, "mean", "IQM")
    grounds = (rules.unlike(task, (row[task].cell for _, row, _ in lines if task in row)) for task in tasks)
    notes = (*group.notes, *filter(None, grounds), READING)
    return Result(f"leaderboard-{family}-{group.name}", title, columns, shown, notes)


def rows(entries: Iterable[Entry]) -> dict[str, dict[str, Entry]]:
    """Entries by the label of their method, and by task."""
    found: dict[str, dict[str, Entry]] = defaultdict(dict)
    for entry in entries:
        label = f"{entry.label} (ours, {entry.preset})" if entry.origin == "ours" else entry.label
        found[label][entry.task] = entry
    return found


def line(row: dict[str, Entry], tasks: Sequence[str]) -> list[Cell]:
    """A cell for each task, then the mean and the IQM over them; these two are empty while a task is."""
    cells = [shown(row[task]) if task in row else Cell((Number(),)) for task in tasks]
    numbers = [cell.numbers[0] for cell in cells]
    if any(number.mean is None for number in numbers):
        return [*cells, Cell((Number(),)), Cell((Number(),))]
    n = min(number.n for number in numbers)
    if not all(number.rates for number in numbers):
        over = sum(number.mean or 0.0 for number in numbers) / len(numbers)
        return [*cells, Cell((Number(over, None, n),)), Cell((Number(),))]
    scores = [np.array([*seeds.values()]) for number in numbers for seeds in number.rates.values()]
    estimate = bootstrap(both, scores, np.random.default_rng(0), RESAMPLES)
    bounds = [None if math.isnan(low) else (float(low), float(high)) for low, high in zip(*estimate[1:], strict=True)]
    found = [Number(float(value), None, n, interval=b) for value, b in zip(estimate.value, bounds, strict=True)]
    return [*cells, *(Cell((number,)) for number in found)]


def both(scores: Scores) -> Array:
    return np.stack([mean(scores), interquartile_mean(scores)])


def shown(entry: Entry) -> Cell:
    """An entry's cell: ours with its runs and notes, others' with its numbers alone, whose source the table names."""
    return replace(entry.cell, wanted=0) if entry.origin == "ours" else Cell(entry.cell.numbers)


def seeds(entries: Iterable[Entry]) -> Cell:
    counts = sorted({entry.number.n for entry in entries})
    return Cell(word=str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}")


def family_of(task: str) -> str:
    """The environment that a task is a goal of; robomimic's tasks are one family."""
    return "robomimic" if task in ROBOMIMIC_TASKS else re.sub(r"-task\d+(?=-|$)", "", task)


def place(name: str) -> tuple[object, ...]:
    """Where a family or a task stands: sets of families first, then by name, numbers as numbers."""
    return (name not in SHARED, *(int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)))


def slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def main(arguments: list[str]) -> None:
    parser = Parser(prog="python -m tables leaderboard", description=__doc__)
    parser.add_argument("families", nargs="*", metavar="FAMILY", help="as cube-double, nine-cubes, robomimic (default: all)")
    parser.add_argument("--phase", choices=("offline", "online"), help="at whose end (default: the protocol's last one)")
    parser.add_argument(
        "--public", type=Path, default=PUBLIC, metavar="DIR", help=f"published results, with a {FILE} (default: the checkout's)"
    )
    add_options(parser, "--runs", "--format")
    options = parser.parse_args(arguments)
    if not (options.public / FILE).exists():
        print(f"{options.public}: no {FILE}, so nothing that was published", file=sys.stderr)
    results = leaderboard(options.public, of_files(files(options.runs)), options.phase, options.families)
    if not results:
        raise ValueError("no published result and no finished run on the suite's tasks: no leaderboard")
    if options.format == "csv":
        print(to_csv(results), end="")
    else:
        print("\n\n".join(render(result, options.format) for result in results))
