"""The paper's tables from run records: `python -m tables 1 2 3 4 7`."""

import argparse
import csv
import io
import statistics
import sys
from pathlib import Path

from tabulate import tabulate

from eval.record import Run, find, read
from tables.cells import cell, commands
from tables.figures import learning_curve
from tables.spec import TABLES, Table

FORMATS = {"text": "simple", "markdown": "github", "latex": "latex_booktabs", "html": "html"}


def read_all(folders: list[Path]) -> list[Run]:
    """Every readable record; what cannot be read is named on stderr and left out."""
    runs = []
    for path in (path for folder in folders for path in find(folder)):
        try:
            runs.append(read(path))
        except ValueError as error:
            print(f"left out: {error}", file=sys.stderr)
    return runs


def render(table: Table, runs: list[Run], preset: str, format: str) -> tuple[str, list[str]]:
    """The table as text, and the commands that would fill its empty cells."""
    lines, missing = [], []
    for row in table.rows:
        cells = [cell(table, row, column, runs, preset) for column in table.columns]
        texts = [c.text() for c in cells]
        if table.average:
            means = [c.mean for c in cells if c.mean is not None]
            texts.append(f"{statistics.mean(means):.1f}" if len(means) == len(cells) else "-")
        lines.append([row.label, *texts])
        for found, column in zip(cells, table.columns, strict=True):
            missing += commands(table, row, column, found, preset)
    headers = ["method", *(column.label for column in table.columns), *(["Avg."] if table.average else [])]
    if format == "csv":
        text = io.StringIO()
        csv.writer(text).writerows([headers, *lines])
        return text.getvalue(), missing
    return tabulate(lines, headers, tablefmt=FORMATS[format], disable_numparse=True), missing


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tables", description=__doc__)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"of {', '.join(TABLES)}; all, if none is named")
    parser.add_argument("--runs", type=Path, nargs="+", default=[Path("records"), Path("runs")], help="folders of records")
    parser.add_argument("--preset", default="paper", help="count the runs of this preset")
    parser.add_argument("--format", choices=(*FORMATS, "csv"), default="text")
    parser.add_argument("--commands", action="store_true", help="print every command that would fill an empty cell")
    parser.add_argument(
        "--curve", type=Path, metavar="FILE", help="draw the learning curves of the records into a picture instead"
    )
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.tables if name not in TABLES]:
        print(f"error: unknown table '{unknown[0]}'; there are {', '.join(TABLES)}", file=sys.stderr)
        return 2
    runs = read_all(options.runs)
    if options.curve:
        if not any(run.evaluations for run in runs):
            print(f"error: no evaluation in the records of {', '.join(map(str, options.runs))}", file=sys.stderr)
            return 2
        learning_curve(runs, options.curve)
        return 0
    for name in options.tables or TABLES:
        text, missing = render(TABLES[name], runs, options.preset, options.format)
        print(f"Table {name}. {TABLES[name].title}. Preset {options.preset}.\n\n{text}\n")
        if missing and options.format == "text":
            shown = missing if options.commands else missing[:1]
            print(f"{len(missing)} runs are missing{':' if options.commands else '; --commands lists all, the first is'}")
            print("\n".join(f"  {line}" for line in shown) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
