"""`python -m tables figure NAME`: which figures there are, and of which runs they are drawn."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure as Picture

from envs.command import Parser
from eval.config.methods import METHODS
from eval.results.record import Run
from tables.figures.curves import points, rows_of
from tables.figures.estimates import aggregates, improvements, profiles
from tables.figures.style import check_suffix, save, style
from tables.figures.success import online_curves, success_curves, time_curves
from tables.options import add_options
from tables.rules import is_imported
from tables.sources.runs import files, load
from tables.spec import MAIN, TABLES, Row, cubes, label_of, rows


@dataclass(frozen=True)
class Figure:
    """What is drawn: success rates of some rows on some tasks. Without tasks, of all; without rows, of every method."""

    title: str
    picture: Callable[[pd.DataFrame, Sequence[Row]], Picture]
    rows: tuple[Row, ...] = ()
    tasks: tuple[str, ...] = ()
    in_paper: bool = False


NAMED = rows(*METHODS)
MAIN_TASKS = tuple(column.label for column in MAIN)
FIGURES = {
    "1": Figure("Success rate over training steps", success_curves, TABLES["1"].rows, MAIN_TASKS, in_paper=True),
    "3": Figure("Backbone x top-K over the online phase", online_curves, TABLES["2"].rows, MAIN_TASKS, in_paper=True),
    "4": Figure("Number of elites over the online phase", online_curves, TABLES["4"].rows, MAIN_TASKS, in_paper=True),
    "5": Figure(
        "Weight of the top-K loss over the online phase", online_curves, TABLES["3"].rows, cubes("quadruple"), in_paper=True
    ),
    "curves": Figure("Success rate over training steps, of all that there is", success_curves),
    "time": Figure("Success rate over minutes of training, of all that there is", time_curves),
    "aggregates": Figure("IQM and mean over seeds and tasks", aggregates, NAMED),
    "profiles": Figure("Performance profiles", profiles, NAMED),
    "improvement": Figure("Probability of improvement of DFP", improvements, NAMED),
}
IN_PAPER = [name for name, figure in FIGURES.items() if figure.in_paper]
"""The paper's, of those that come from runs."""


def write_figure(name: str, runs: Sequence[Run], path: Path, preset: str = "paper") -> None:
    """A figure of the finished runs of a preset, into a png or pdf file; equal records give equal bytes.

    ValueError in one line for another kind of file, or when there is nothing to draw.
    """
    check_suffix(path)
    figure, runs = FIGURES[name], with_imports(runs, preset)
    rows = (*figure.rows, *rows_of([run for run in runs if is_imported(run)])) if figure.rows else rows_of(runs)
    data = points(runs, rows, preset)
    if figure.tasks:
        data = data[data["task"].isin(figure.tasks)]
    if data.empty:
        raise ValueError(f"figure {name}: no finished run of preset {preset} belongs to it")
    path.parent.mkdir(parents=True, exist_ok=True)
    with style():
        save(figure.picture(data, rows), path)


def with_imports(runs: Sequence[Run], preset: str) -> list[Run]:
    """The runs, imported results among them as methods of their own in this preset.

    An import that says nothing of an offline phase is laid where the preset's own runs begin online.
    """
    if preset == "imported":
        return list(runs)
    configs = [run.start["config"] for run in runs if not is_imported(run)]
    begins = {config["task"]: config["offline_steps"] for config in configs if config["preset"] == preset}

    def own(run: Run) -> Run:
        config = run.start["config"]
        method, begin = f"{label_of(config)} (imported)", config["offline_steps"] or begins.get(config["task"], 0)
        return replace(
            run, start={**run.start, "config": config | {"method": method, "preset": preset, "offline_steps": begin}}
        )

    return [own(run) if is_imported(run) else run for run in runs]


def main(arguments: list[str]) -> None:
    parser = Parser(prog="python -m tables figure", description=__doc__)
    named = "; ".join(f"{name}: {figure.title}" for name, figure in FIGURES.items())
    parser.add_argument("figures", nargs="+", metavar="FIGURE", choices=[*FIGURES], help=named)
    add_options(parser, "--runs", "--preset")
    parser.add_argument(
        "--out", type=Path, default=Path("figures"), help="a png or pdf file, or a folder for both of each figure"
    )
    options = parser.parse_args(arguments)
    runs = load(files(options.runs))
    if options.out.suffix:
        if len(options.figures) > 1:
            raise ValueError(f"{options.out}: one file for {len(options.figures)} figures; name a folder")
        return write_figure(options.figures[0], runs, options.out, options.preset)
    if not write_figures(options.out, options.figures, runs, options.preset):
        raise ValueError(f"no figure was drawn into {options.out}")


def write_figures(folder: Path, names: Sequence[str], runs: Sequence[Run], preset: str) -> int:
    """Figures as png and pdf files of a folder, how many; says which, and which are left out since no run belongs to them."""
    drawn = 0
    for name in names:
        for suffix in (".png", ".pdf"):
            path = folder / f"figure-{name}{suffix}"
            try:
                write_figure(name, runs, path, preset)
            except ValueError as error:
                print(f"left out: {error}", file=sys.stderr)
                break
            print(path, file=sys.stderr)
            drawn += 1
    return drawn
