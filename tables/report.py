"""`python -m tables report`: one HTML file with the tables, the figures, and behind every cell its evidence.

The file needs no server and no network. This module says what it shows, as one JSON object; report.html, its template, how.
"""

import base64
import json
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from envs.command import Parser
from envs.files.whole import replaced
from eval.config.methods import METHODS
from eval.results.record import Run, score
from tables import rules
from tables.against import COLUMNS, EXPLAINED, PRECISE, contrast
from tables.build import COMPARABLE, IN_PAPER, NAMES, by_labels, check, from_paper
from tables.costs import Bench, load_benches
from tables.entries import of_runs
from tables.evidence import evidence
from tables.figures.curves import PROTOCOLS, rows_of
from tables.figures.figure import FIGURES, drawings
from tables.headline import headline, nearest
from tables.leaderboard import PUBLIC, leaderboard
from tables.options import add_options
from tables.render import Style, cell_text, footnotes, heading, number_text
from tables.result import Cell, Line, Number, Result
from tables.sources.runs import files, load
from tables.sources.under_way import under_way
from tables.spec import TABLES, label_of

PLAIN = Style("{}", "{}", "{}")
OUR_PRESETS = ("laptop", "small", "quick")  # whose tables come first
DRAWN = ("curves", "aggregates", "profiles", "improvement")
FILTERED = {
    **{method.label: {"method": f"{method.label} {name}"} for name, method in METHODS.items()},
    **{row.label: {"method": f"{row.label} {row.method}"} for table in TABLES.values() for row in table.rows},
    **{c.label: {"task": " ".join((c.label, *c.tasks))} for table in TABLES.values() for c in table.columns},
    "Avg.": {"task": "Avg."},
}
"""What the filters look for, by the label of a line or a column; what is not here is never filtered."""


def collect(
    names: Sequence[str],
    runs: Sequence[Run],
    benches: Sequence[Bench],
    preset: str | None = None,
    mixed: bool = False,
) -> dict[str, Any]:
    """All that the report shows, as plain values: tables that have records first, the leaderboard, figures, then every run."""
    chosen = {name: preset or nearest(name, runs, benches) for name in names}
    results = [headline(name, runs, benches, preset, mixed) for name in names]
    results.sort(key=lambda result: (not has_records(result), result.name not in OUR_PRESETS))
    number = {id(run): i for i, run in enumerate(runs)}
    presets = dict.fromkeys(TABLES[name].preset or one if name in TABLES else one for name, one in chosen.items())
    return {
        "about": f"{len(runs)} records, {sum(run.status == 'finished' for run in runs)} of them finished",
        "contrast": COLUMNS,
        "explained": EXPLAINED,
        "tables": [table(result, number) for result in results] + [table_of_runs(runs, number)],
        "leaderboard": [board(result, number) for result in leaderboard(PUBLIC, of_runs(runs))],
        "figures": [picture for one in presets for picture in pictures(runs, one)],
        "runs": [evidence(run) for run in runs],
    }


def has_records(result: Result) -> bool:
    return any(cell.runs or any(number.mean for number in cell.numbers) for line in result.lines for cell in line.cells)


def table(result: Result, number: dict[int, int]) -> dict[str, Any]:
    """A table with its cells' evidence; runs go by their number in the report."""
    symbols = footnotes(result, PLAIN)
    paper = from_paper(PRECISE.get(result.name, result.name)) if result.name in IN_PAPER else None
    printed = by_labels(paper) if paper else {}

    def show(line: Line, column: str, cell: Cell) -> dict[str, Any]:
        other = printed.get(frozenset((line.label, column)))
        return {
            "numbers": [
                {"phase": phase, "text": number_text(n, result.decimals, PLAIN)}
                | {"mean": n.mean, "std": n.std, "n": n.n, "mark": n.mark, "rates": n.rates, "interval": n.interval}
                for n, phase in zip(cell.numbers, result.phases, strict=False)
            ],
            "word": cell.word,
            "wanted": cell.wanted,
            "notes": [[symbols[note], note] for note in cell.notes],
            "gaps": [{"what": gap.task, "seeds": gap.seeds, "command": gap.command} for gap in cell.gaps],
            "runs": [number[id(run)] for run in cell.runs],
            "published": as_published(result, cell, paper, other) if paper and other else [],
        }

    return {
        "name": result.name,
        "heading": heading(result),
        "corner": result.corner,
        "columns": [{"label": column, **FILTERED.get(column, {})} for column in result.columns],
        "lines": [
            {"label": line.label, **FILTERED.get(line.label, {})}
            | {"cells": [show(line, c, cell) for c, cell in zip(result.columns, line.cells, strict=True)]}
            for line in result.lines
        ],
        "footnotes": [[symbol, note] for note, symbol in symbols.items()],
        "notes": result.notes,
        "filled": has_records(result),
    }


def as_published(result: Result, ours: Cell, paper: Result, other: Cell) -> list[dict[str, Any]]:
    """What the paper prints where we have these numbers, and for success rates how far ours are from it."""
    if other.word:
        return [{"phase": "", "text": other.word, "contrast": []}]
    found = []
    for number, phase in zip(ours.numbers or (Number(),), result.phases, strict=False):
        theirs = other.numbers[paper.phases.index(phase)]
        test = contrast(number, theirs) if result.name in COMPARABLE and number.mean is not None else ()
        words = [cell_text(cell, (1, 0), {}, PLAIN) for cell in test]
        found.append({"phase": phase, "text": number_text(theirs, paper.decimals, PLAIN), "contrast": words})
    return found


def table_of_runs(runs: Sequence[Run], number: dict[int, int]) -> dict[str, Any]:
    """Every record, whether it counts or not."""

    def success(run: Run, phase: str) -> Cell:
        rates = {seed: score(e) for seed in run.start["config"]["seeds"] if (e := run.last(seed, phase))}
        return Cell((rules.summarise({"": rates}),), runs=(run,))

    def line(run: Run) -> Line:
        config = run.start["config"]
        words = [config["task"], config["preset"], config["protocol"], str(rules.fact(run, "dataset", "source") or "")]
        words += [" ".join(map(str, config["seeds"])), run.status]
        cells = [*(Cell(word=word) for word in words), success(run, "offline"), success(run, "online")]
        return Line(label_of(config), (*cells, Cell(word=run.start["created"]), Cell(word=str(run.path), runs=(run,))))

    columns = ("task", "preset", "protocol", "data", "seeds", "status", "offline", "online", "created", "record")
    whole = table(Result("runs", "All records", columns, tuple(map(line, runs)), corner="method"), number)
    for shown, run in zip(whole["lines"], runs, strict=True):
        config = run.start["config"]
        shown |= {"method": f"{shown['label']} {config['method']}", "task": config["task"]}
    return whole


def board(result: Result, number: dict[int, int]) -> dict[str, Any]:
    """A table of the leaderboard; the filters look for any method and any task there."""
    whole = table(result, number)
    for shown in whole["lines"]:
        shown["method"] = shown["label"]
    for column in whole["columns"][1:-2]:
        column["task"] = column["label"]
    return whole


def pictures(runs: Sequence[Run], preset: str) -> Iterable[dict[str, str]]:
    """The preset's curves, for each protocol; where there are two methods or more, also what compares them over all tasks."""
    for protocol in PROTOCOLS:
        own = [run for run in runs if run.start["config"]["protocol"] == protocol]
        counted = [run for run in own if run.start["config"]["preset"] == preset and run.status == "finished"]
        for name in DRAWN if len(rows_of(counted)) > 1 else DRAWN[: len(rows_of(counted))]:
            yield {"title": f"{FIGURES[name].title}. Preset {preset}, protocol {protocol}.", **picture(name, own, preset)}


def picture(name: str, runs: Sequence[Run], preset: str) -> dict[str, str]:
    """A figure of the runs, which have one protocol, or why there is none."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "figure.png"
        try:
            (drawing,) = drawings(name, runs, preset)
            drawing.write(path)
            return {"png": base64.b64encode(path.read_bytes()).decode()}
        except ValueError as error:
            return {"missing": str(error)}


def page(data: dict[str, Any]) -> str:
    """The template with the data in it. No text of a record can end the data: every `<` is escaped."""
    plain = json.loads(json.dumps(data), parse_constant=str)  # browsers read no NaN
    text = json.dumps(plain, separators=(",", ":")).replace("<", "\\u003c")
    return Path(__file__).with_name("report.html").read_text(encoding="utf-8").replace("{{data}}", text)


def main(arguments: list[str]) -> None:
    parser = Parser(prog="python -m tables report", description=__doc__)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"of {', '.join(NAMES)} (default: all)")
    add_options(parser, "--runs", "--mixed", "--preset")
    parser.add_argument("--out", type=Path, metavar="FILE", default=Path("report.html"), help="default: report.html")
    options = parser.parse_args(arguments)
    check(options.tables, NAMES, preset=options.preset)
    found = files(options.runs)
    runs = under_way(load(found), options.runs or [Path("runs")])
    data = collect(options.tables or NAMES, runs, load_benches(found), options.preset, options.mixed)
    with replaced(options.out) as whole:
        whole.write_text(page(data), encoding="utf-8")
    print(options.out)
