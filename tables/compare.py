"""`python -m tables compare RUNS --against paper|RUNS`: methods of one's own against published cells or other records."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from envs.command import Parser
from eval.config.methods import METHODS
from eval.results.record import PHASES, Run
from tables import published, rules
from tables.against import COLUMNS, EXPLAINED, UNKNOWN, contrast
from tables.cells import build
from tables.options import add_options
from tables.render import render
from tables.result import Cell, Line, Number, Result
from tables.sources.runs import files, load
from tables.spec import TABLES, Row, Table, each, label_of


@dataclass(frozen=True)
class Entry:
    """What records say of one method, as they ran it, on one task after one phase."""

    method: str
    label: str
    preset: str
    task: str
    protocol: str
    phase: str
    cell: Cell

    @property
    def number(self) -> Number:
        return self.cell.numbers[0]


def entries(runs: Sequence[Run], mixed: bool = False) -> list[Entry]:
    """Every method, variant, preset, task and phase in the records, as cells."""
    kinds: dict[tuple[str, ...], list[Run]] = defaultdict(list)
    for run in runs:
        config = run.start["config"]
        kinds[config["method"], config["preset"], config["protocol"], repr(sorted(config["changes"].items()))].append(run)
    found = []
    for (method, preset, protocol, _), group in kinds.items():
        config = group[0].start["config"]
        tasks = sorted({run.start["config"]["task"] for run in group})
        phases = PHASES if protocol == "offline-to-online" else PHASES[:1]
        for phase in phases:
            row = Row(f"{label_of(config)} ({preset})", method, config["changes"])
            tail = TABLES["7"].tail if protocol == "offline" else 0.0
            table = Table("", (row,), each(*tasks), protocol, (phase,), seeds=0, average=False, tail=tail)
            result = build("", table, group, preset, mixed)
            for task, cell in zip(tasks, result.lines[0].cells, strict=True):
                noted = replace(cell, notes=(*cell.notes, *result.notes))
                found.append(Entry(method, row.label, preset, task, protocol, phase, noted))
    return [entry for entry in found if entry.number.mean is not None or entry.cell.notes]


def printed() -> list[Entry]:
    """What the paper prints, in the most precise of its tables."""
    found = []
    for name, protocol in (("6", "offline-to-online"), ("7", "offline")):
        for (label, task), cell in published.cells(name).items():
            for number, phase in zip(cell.numbers, PHASES, strict=False):
                method = next((key for key, known in METHODS.items() if known.label == label), label)
                found.append(Entry(method, label, "paper", task, protocol, phase, Cell((number,), wanted=number.n)))
    return [entry for entry in found if entry.task != "Avg."]


def compared(ours: Sequence[Entry], theirs: Sequence[Entry], method: str | None) -> Result:
    """A line for each of ours and each of theirs on the same task: the method called `method`, else the same one, else all."""
    lines, notes = [], [EXPLAINED, UNKNOWN]
    for a in ours:
        others = [b for b in theirs if (b.task, b.phase) == (a.task, a.phase)]
        others = [b for b in others if b.protocol == a.protocol] or others
        same = [b for b in others if b.method == (method or a.method)]
        chosen = same or ([] if method else others)
        for b in chosen:
            one = replace(a.cell, notes=(*a.cell.notes, *ground(a, b)))
            cells = (one, Cell(word=b.label), b.cell, *contrast(a.number, b.number))
            lines.append(Line(f"{a.label}, {a.task}, {a.phase}", cells))
        if not chosen:
            notes.append(f"{a.label} on {a.task}, {a.phase}: nothing to compare with")
    columns = ("ours", "against", "theirs", *COLUMNS)
    return Result("compare", "Success rate (%), ours and theirs.", columns, tuple(lines), tuple(notes), decimals=(1, 1))


def ground(a: Entry, b: Entry) -> list[str]:
    """Why two numbers might differ for other reasons than the methods."""
    notes = [] if a.protocol == b.protocol else [f"protocol {a.protocol}, theirs is {b.protocol}"]
    if a.preset != b.preset:
        notes.append(f"preset {a.preset}, theirs is {b.preset}")
    if a.cell.runs and b.cell.runs and (where := rules.ground_difference(a.cell.runs[0], b.cell.runs[0])):
        notes.append(f"theirs differs in {where}")
    return notes


def main(arguments: list[str]) -> None:
    parser = Parser(prog="python -m tables compare", description=__doc__)
    parser.add_argument(
        "runs", type=Path, nargs="+", help="folders or files: records, or CSV files as tables/sources/csv_file.py describes"
    )
    parser.add_argument(
        "--against", nargs="+", default=["paper"], metavar="paper|RUNS", help="what to lay beside (default: paper)"
    )
    parser.add_argument("--against-method", metavar="METHOD", help="the method to lay beside (default: the same one, else all)")
    add_options(parser, "--mixed", "--format")
    options = parser.parse_args(arguments)
    ours = entries(load(files(options.runs)), options.mixed)
    paper = options.against == ["paper"]
    theirs = printed() if paper else entries(load(files([Path(path) for path in options.against])), options.mixed)
    known = sorted({entry.method for entry in theirs})
    if options.against_method and options.against_method not in known:
        raise ValueError(f"unknown --against-method '{options.against_method}'; there are {', '.join(known)}")
    if not ours:
        raise ValueError(f"nothing to compare: no finished run in {' '.join(map(str, options.runs))}")
    print(render(compared(ours, theirs, options.against_method), options.format))
