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
from tables.figures.curves import PROTOCOLS, points, rows_of
from tables.figures.estimates import aggregates, improvements, profiles
from tables.figures.style import check_suffix, save, style
from tables.figures.success import online_curves, success_curves, time_curves
from tables.headline import NEAREST, nearest, tasks_with_runs
from tables.options import add_options
from tables.rules import is_imported
from tables.sources.runs import files, load
from tables.spec import TABLES, Row, belongs, label_of, rows


@dataclass(frozen=True)
class Figure:
    """What is drawn: success rates of some rows on some tasks. Without tasks, of all; without rows, of every method."""

    title: str
    picture: Callable[[pd.DataFrame, Sequence[Row]], Picture]
    rows: tuple[Row, ...] = ()
    tasks: tuple[str, ...] = ()
    table: str = ""  # the paper's table that has these rows and tasks

    @property
    def protocols(self) -> Sequence[str]:
        return (TABLES[self.table].protocol,) if self.table else PROTOCOLS


def of_table(name: str, title: str, picture: Callable[[pd.DataFrame, Sequence[Row]], Picture]) -> Figure:
    """One of the paper's figures: what one of its tables has, over steps."""
    table = TABLES[name]
    return Figure(title, picture, table.rows, tuple(task for column in table.columns for task in column.tasks), name)


NAMED = rows(*METHODS)
FIGURES = {
    "1": of_table("1", "Success rate over training steps", success_curves),
    "3": of_table("2", "Backbone x top-K over the online phase", online_curves),
    "4": of_table("4", "Number of elites over the online phase", online_curves),
    "5": of_table("3", "Weight of the top-K loss over the online phase", online_curves),
    "curves": Figure("Success rate over training steps, of all that there is", success_curves),
    "time": Figure("Success rate over minutes of training, of all that there is", time_curves),
    "aggregates": Figure("IQM and mean over seeds and tasks", aggregates, NAMED),
    "profiles": Figure("Performance profiles", profiles, NAMED),
    "improvement": Figure("Probability of improvement of DFP", improvements, NAMED),
}
IN_PAPER = [name for name, figure in FIGURES.items() if figure.table]
"""The paper's, of those that come from runs."""


@dataclass(frozen=True)
class Drawing:
    """A figure of the runs of one preset and one protocol."""

    figure: Figure
    rows: Sequence[Row]
    runs: Sequence[Run]
    preset: str
    protocol: str

    def __str__(self) -> str:
        return f"preset {self.preset}, protocol {self.protocol}"

    def write(self, path: Path) -> None:
        """Draws it into a png or pdf file; equal records give equal bytes. ValueError in one line for what cannot be drawn."""
        data = points(self.runs, self.rows, self.preset)
        with style():
            picture = self.figure.picture(data, self.rows)
            if self.protocol == "offline":
                picture.suptitle("Offline protocol")
            path.parent.mkdir(parents=True, exist_ok=True)
            save(picture, path)


def drawings(name: str, runs: Sequence[Run], preset: str | None = None) -> list[Drawing]:
    """A figure of the finished runs of a preset, or of the nearest one that has runs: one for each protocol that they have, of
    the paper's figures for that of their table. ValueError in one line where there is none."""
    figure = FIGURES[name]
    preset, tasks = (preset, figure.tasks) if preset else nearest_to(figure, runs)
    runs = with_imports(runs, preset)
    rows = (*figure.rows, *rows_of([run for run in runs if is_imported(run)])) if figure.rows else rows_of(runs)
    own: dict[str, list[Run]] = {protocol: [] for protocol in figure.protocols}
    for run in runs:
        config = run.start["config"]
        there = config["preset"] == preset and config["protocol"] in own and (not tasks or config["task"] in tasks)
        if there and run.status == "finished" and run.evaluations and any(belongs(config, row) for row in rows):
            own[config["protocol"]].append(run)
    found = [Drawing(figure, rows, those, preset, protocol) for protocol, those in own.items() if those]
    if not found:
        raise ValueError(f"figure {name}: no finished run of preset {preset} belongs to it")
    return found


def write_figure(name: str, runs: Sequence[Run], path: Path, preset: str | None = None) -> list[Path]:
    """Draws a figure into a png or pdf file; where the runs have both protocols, of the offline one into a file beside it.
    Says of which each file is, and what is left out.

    ValueError in one line for another kind of file, or when nothing can be drawn.
    """
    check_suffix(path)
    written: list[Path] = []
    refused: list[str] = []
    for place, drawing in enumerate(drawings(name, runs, preset)):
        file = path.with_stem(f"{path.stem}-{drawing.protocol}") if place else path
        try:
            drawing.write(file)
        except ValueError as error:
            refused.append(f"{file}: {error}")
        else:
            written.append(file)
            print(f"{file}: {drawing}", file=sys.stderr)
    if not written:
        raise ValueError("; ".join(refused))
    for refusal in refused:
        print(f"left out: {refusal}", file=sys.stderr)
    return written


def nearest_to(figure: Figure, runs: Sequence[Run]) -> tuple[str, Sequence[str]]:
    """The preset nearest to the paper's that has runs, and the tasks that they are of: for the paper's figures those of the
    table, else all."""
    if figure.table:
        preset = nearest(figure.table, runs, [])
        return preset, figure.tasks if preset == "paper" else tasks_with_runs(TABLES[figure.table], runs, preset)
    found = {run.start["config"]["preset"] for run in runs if run.status == "finished"}
    return next((preset for preset in NEAREST if preset in found), "paper"), ()


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
        write_figure(options.figures[0], runs, options.out, options.preset)
    elif not write_figures(options.out, options.figures, runs, options.preset):
        raise ValueError(f"no figure was drawn into {options.out}")


def write_figures(folder: Path, names: Sequence[str], runs: Sequence[Run], preset: str | None) -> list[Path]:
    """Figures as png and pdf files of a folder; says which are left out since no run belongs to them."""
    written: list[Path] = []
    for name in names:
        try:
            for suffix in (".png", ".pdf"):
                written += write_figure(name, runs, folder / f"figure-{name}{suffix}", preset)
        except ValueError as error:
            print(f"left out: {error}", file=sys.stderr)
    return written
