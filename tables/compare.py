"""`python -m tables compare RUNS --against paper|RUNS`: methods of one's own against published cells or other records."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from envs.command import Parser
from tables import rules
from tables.against import COLUMNS, EXPLAINED, UNKNOWN, contrast
from tables.entries import Entry, of_files, of_paper
from tables.options import add_options
from tables.render import render
from tables.result import Cell, Line, Result
from tables.sources.runs import files
from tables.spec import label_of

AMONG_THEMSELVES = "`--against RUNS --against-method METHOD`, with these runs again, lays them beside one of their methods."
TITLE = "Ours and theirs: success rate (%), or what else the task is scored by."


def compared(ours: Sequence[Entry], theirs: Sequence[Entry], method: str | None) -> Result:
    """A line for each of ours and each of theirs on the same task: the method called `method`, else the same one, else all. Of
    a method's variants the one that is exactly it counts, if there is one."""
    lines, notes = [], [EXPLAINED, UNKNOWN]
    for a in ours:
        others = [b for b in theirs if (b.task, b.phase) == (a.task, a.phase)]
        others = [b for b in others if b.protocol == a.protocol] or others
        same = [b for b in others if b.method == (method or a.method)]
        exact = [b for b in same if b.label == (label_of({"method": method, "changes": {}}) if method else a.label)]
        chosen = exact or same or ([] if method else others)
        for b in chosen:
            one = replace(a.cell, notes=(*a.cell.notes, *ground(a, b)))
            cells = (one, Cell(word=b.name), b.cell, *contrast(a.number, b.number))
            lines.append(Line(f"{a.name}, {a.task}, {a.phase}", cells))
        if not chosen:
            notes.append(f"{a.name} on {a.task}, {a.phase}: nothing to compare with")
    if not lines:
        notes.append(AMONG_THEMSELVES)
    columns = ("ours", "against", "theirs", *COLUMNS)
    return Result("compare", TITLE, columns, tuple(lines), tuple(notes), decimals=(1, 1))


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
    ours = of_files(files(options.runs), options.mixed)
    paper = options.against == ["paper"]
    theirs = of_paper() if paper else of_files(files([Path(path) for path in options.against]), options.mixed)
    known = sorted({entry.method for entry in theirs})
    if options.against_method and options.against_method not in known:
        raise ValueError(f"unknown --against-method '{options.against_method}'; there are {', '.join(known)}")
    if not ours:
        raise ValueError(f"nothing to compare: no finished run in {' '.join(map(str, options.runs))}")
    print(render(compared(ours, theirs, options.against_method), options.format))
