"""The paper's tables from run records: `python -m tables 1 2 3 4 7`, `python -m tables quick`, `python -m tables --all`.

`python -m tables plan TABLE` says what is still to run, `python -m tables compare RUNS` lays your methods beside the paper's,
`python -m tables figure NAME` draws, `python -m tables report` writes everything into one HTML file. Each has its --help.
"""

import re
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from envs.command import Parser, run_command
from tables.added import pointed_out
from tables.against import against_paper
from tables.build import COMPARABLE, IN_PAPER, NAMES, check, from_paper
from tables.costs import load_benches
from tables.document import write_table
from tables.headline import headline, nearest, with_deviations
from tables.options import add_options
from tables.render import render, to_csv
from tables.result import Result
from tables.sources.runs import files, load, places
from tables.spec import TABLES, belongs

COMMANDS = {
    "plan": "tables.plan",
    "compare": "tables.compare",
    "leaderboard": "tables.leaderboard",
    "findings": "tables.findings",
    "figure": "tables.figures.figure",
    "report": "tables.report",
}


LEGEND = (
    "How to read a number: mean ± sample standard deviation over seeds; (3/5): over three seeds where five are asked for; *the "
    "best* and _the second_ of a column whose rows have all their seeds."
)
GREY = "\x1b[90m\\g<0>\x1b[0m"  # on a terminal


def first_gap(result: Result) -> str:
    """How to fill what is empty."""
    gaps = result.gaps()
    if not gaps:
        return ""
    preset = "" if gaps[0].preset == "paper" else f" --preset {gaps[0].preset}"
    plan = f"python -m tables plan {result.name}{preset}"
    wanted = f"Still to run for all tasks and seeds that the table asks for: {len(gaps)} ({plan}), the first is"
    return f"\n\n{wanted}\n  {gaps[0].command}"


def not_in_it(result: Result, folders: Sequence[Path]) -> list[str]:
    """Which finished runs on its tasks no table has, so that nobody looks in vain for a run of one's own."""
    rows = [row for table in TABLES.values() for row in table.rows]
    runs = [run for run in result.left_out if not any(belongs(run.start["config"], row) for row in rows)]
    ours = [folder for folder in folders if any(folder in (run.path, *run.path.parents) for run in runs)]
    return [pointed_out(runs, map(str, ours))] if runs else []


def tables(arguments: list[str]) -> None:
    options = parse(arguments)
    if options.source == "paper":
        return show(list(map(from_paper, options.tables)), options.format, options.into)
    folders, added = places(options.runs), files(options.added) if options.added else []
    found = files([*folders, *options.added])
    runs, benches = load(found), load_benches(found)
    if options.against:
        presets = {name: options.preset or nearest(name, runs, benches, of_paper=True) for name in options.tables}
        results = [against_paper(name, runs, preset, options.mixed) for name, preset in presets.items()]
        if not options.preset:
            results = [with_deviations(result, presets[result.name]) for result in results]
        return show(results, options.format, options.into)
    shown = (options.preset, options.mixed, options.published, [run for run in runs if run.path in added])
    results = [headline(name, runs, benches, *shown) for name in options.tables]
    show(results, options.format, options.into, folders)
    if options.all:
        from tables.figures import figure  # here, since pictures take a second to import

        figure.write_figures(options.figures, figure.IN_PAPER, runs, options.preset)


def parse(arguments: list[str]) -> Any:
    """The command line; ValueError for tables that there are not, or not for what is asked of them."""
    parser = Parser(prog="python -m tables", description=__doc__)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--all", action="store_true", help="every table, and the paper's figures into --figures")
    parser.add_argument(
        "--figures", type=Path, default=Path("figures"), metavar="DIR", help="folder for --all (default: figures)"
    )
    parser.add_argument("--source", choices=("records", "paper"), default="records", help="paper: the numbers that it prints")
    parser.add_argument(
        "--against", choices=("paper",), help="lay ours beside the paper's, with Welch's test of the difference"
    )
    parser.add_argument("--published", action="store_true", help="what the paper prints, in grey beside each number")
    parser.add_argument(
        "--with",
        dest="added",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        metavar="RUNS",
        help="a row for each method and variant in these folders or files that the table does not have, and how far from DFP",
    )
    parser.add_argument("--into", type=Path, metavar="FILE", help="write to the table's place in this document, as markdown")
    add_options(parser, "--runs", "--mixed", "--preset", "--format")
    options = parser.parse_args(arguments)
    if options.source == "paper" and options.against:
        raise ValueError("--source paper --against paper: the paper's numbers beside themselves; take one of the two")
    if options.published and (options.format == "csv" or options.source == "paper" or options.against):
        raise ValueError(
            "--published is for our tables as text, markdown, latex or html; --against paper has more, also as csv"
        )
    if options.added and (options.source == "paper" or options.against):
        raise ValueError("--with adds rows to our tables, not to --source paper or --against paper")
    allowed, why = list(NAMES), ""
    if options.added:
        allowed, why = list(TABLES), "is not of success rates, so --with adds no row"
    if options.source == "paper":
        allowed, why = IN_PAPER, "is not in the paper"
    if options.against:
        allowed, why = COMPARABLE, "has no success rates of the paper"
    check(options.tables, allowed, why, options.preset)
    options.tables = allowed if options.all else options.tables
    if not options.tables:
        raise ValueError(f"name a table, of {', '.join(NAMES)}, or --all")
    return options


def show(results: Sequence[Result], format: str, into: Path | None, folders: Sequence[Path] = ()) -> None:
    """Print tables, or write them into a document. `folders` are those in which runs were looked for."""
    if into:
        for result in results:
            write_table(into, result.name, render(result, "markdown"))
    elif format == "csv":
        print(to_csv(results), end="")
    elif format == "text":
        text = as_text(results, folders)
        print(re.sub("‹.*?›", GREY, text) if sys.stdout.isatty() else text)
    else:
        print("\n\n".join(render(result, format) for result in results))


def as_text(results: Sequence[Result], folders: Sequence[Path] = ()) -> str:
    """Tables, the runs that they leave out, and the first of the commands that fill them; what several of them are to be told
    of comes once, at the end."""
    results = [replace(result, notes=(*result.notes, *not_in_it(result, folders))) for result in results]
    under: dict[str, list[str]] = {}
    for result in results:
        for note in result.notes:
            under.setdefault(note, []).append(result.name)
    shared = {note: f"Tables {', '.join(names)}: {note}" for note, names in under.items() if len(names) > 1}
    own = [replace(result, notes=tuple(note for note in result.notes if note not in shared)) for result in results]
    parts = [render(result, "text") + first_gap(result) for result in own]
    legend = [LEGEND] * any(result.name in COMPARABLE for result in results)
    return "\n\n".join([*parts, *shared.values(), *legend])


def main(arguments: list[str] | None = None) -> int:
    arguments = sys.argv[1:] if arguments is None else arguments
    command, *rest = arguments or [""]
    run_command(lambda: import_module(COMMANDS[command]).main(rest) if command in COMMANDS else tables(arguments))
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` is no error
    sys.exit(main())
