"""What each figure is and how it is drawn (arXiv 2605.07727, Figures 1 and 3-5; the aggregates of arXiv 2108.13264)."""

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture
from matplotlib.lines import Line2D

from envs.command import Parser
from eval.config.methods import METHODS
from eval.results.record import Run
from tables.figures.curves import common, final_scores, points, rows_of, summary
from tables.figures.style import COLUMN, PAGE, check_suffix, in_steps, looks, save, shade_offline, style
from tables.rules import is_imported
from tables.sources.runs import files, load
from tables.spec import MAIN, PRESETS, TABLES, Row, cubes, label_of, rows
from tables.stats import Estimate, bootstrap, interquartile_mean, mean, performance_profile, probability_of_improvement

TAUS = np.arange(0, 100.5)


def success_curves(data: pd.DataFrame, rows: Sequence[Row], axis: str = "training steps") -> Picture:
    """Success over steps, one panel a task: mean and 95 % interval over seeds, the offline phase shaded."""
    tasks = list(data["task"].unique())
    across = min(4, len(tasks))
    down = math.ceil(len(tasks) / across)
    picture = Picture((min(PAGE, COLUMN * across), 1.35 * down + 0.8), layout="constrained")
    axes = picture.subplots(down, across, sharey=True, squeeze=False).flatten()
    curves = summary(data)
    for task, ax in zip(tasks, axes, strict=False):
        here = data[data["task"] == task]
        draw_curves(ax, curves[curves["task"] == task], rows)
        if here["offline_steps"].nunique() == 1:
            shade_offline(ax, here["offline_steps"].iloc[0])
        ax.set(
            title=task + ("*" if here["generated"].any() else ""),
            xlim=(0, here["step"].max()),
            ylim=(0, 102),
            yticks=range(0, 101, 25),
        )
        in_steps(ax, 4 if across > 1 else 6)
    for ax in axes[len(tasks) :]:
        ax.remove()
    for ax in axes[::across]:
        ax.set_ylabel("success rate (%)")
    generated = "\n* generated data" if data["generated"].any() else ""
    legend_below(picture, data, rows, f"{axis}; mean and 95 % interval over {count_seeds(data)}{generated}")
    return picture


def online_curves(data: pd.DataFrame, rows: Sequence[Row]) -> Picture:
    """The online phase alone, counted from the offline phase's last evaluation."""
    step = data["step"] - data["offline_steps"]
    return success_curves(data.assign(step=step, offline_steps=0)[step >= 0], rows, "online steps")


def draw_curves(ax: Axes, curves: pd.DataFrame, rows: Sequence[Row]) -> None:
    for label, look in looks(rows).items():
        curve = curves[curves["label"] == label]
        ax.plot(curve["step"], curve["mean"], **look, markevery=max(1, len(curve) // 6))
        ax.fill_between(curve["step"], curve["low"], curve["high"], color=look["color"], alpha=0.15, linewidth=0)


def count_seeds(data: pd.DataFrame) -> str:
    """ "5 seeds", or "3 to 5 seeds" where methods or tasks differ."""
    counts = data.groupby(["label", "task"])["seed"].nunique()
    fewest, most = counts.min(), counts.max()
    return f"{fewest} to {most} seeds" if fewest < most else plural(most, "seed")


def ground(data: pd.DataFrame) -> str:
    """Which tasks and seeds an aggregate is of."""
    generated = data.groupby("task")["generated"].any()
    note = " on generated data" if generated.all() else f" ({generated.sum()} on generated data)" if generated.any() else ""
    return f"{plural(len(generated), 'task')}{note}, {count_seeds(data)}, 95 % intervals"


def plural(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def legend_below(picture: Picture, data: pd.DataFrame, rows: Sequence[Row], title: str) -> None:
    """The labels that are drawn, in as many columns as fit, below a line on what the panels show."""
    shown = {label: look for label, look in looks(rows).items() if label in set(data["label"])}
    widest = 0.5 + 0.065 * max(map(len, shown))
    columns = max(1, min(len(shown), int(picture.get_figwidth() / widest)))
    picture.set_figheight(picture.get_figheight() + 0.16 * math.ceil(len(shown) / columns))
    lines = [Line2D([], [], **look) for look in shown.values()]
    legend = picture.legend(lines, list(shown), title=title, loc="outside lower center", ncols=columns)
    legend.get_title().set_multialignment("center")


def aggregates(data: pd.DataFrame, rows: Sequence[Row]) -> Picture:
    """IQM and mean of the final success rates over seeds and tasks, with stratified bootstrap intervals."""
    rng, data = np.random.default_rng(0), common(data)
    scores = final_scores(data)
    picture = Picture((PAGE, 0.2 * len(scores) + 0.9), layout="constrained")
    for ax, (name, statistic) in zip(picture.subplots(1, 2, sharey=True), STATISTICS.items(), strict=True):
        draw_estimates(ax, {label: bootstrap(statistic, tasks, rng) for label, tasks in scores.items()}, rows)
        ax.set(title=name)
    picture.supxlabel(f"final success rate (%); {ground(data)}")
    return picture


def improvements(data: pd.DataFrame, rows: Sequence[Row], of: str = "DFP") -> Picture:
    """Probability of improvement of one method, by label, over each of the others; a tie counts half."""
    rng, data = np.random.default_rng(0), common(data)
    scores = final_scores(data)
    if of not in scores or len(scores) < 2:
        raise ValueError(f"probability of improvement: takes finished runs of {of} and of another method")
    ours = scores.pop(of)
    picture = Picture((COLUMN, 0.2 * len(scores) + 0.9), layout="constrained")
    ax = picture.subplots()
    ax.axvline(0.5, color="0.6", linewidth=0.8, zorder=1)
    draw_estimates(ax, {label: probability_of_improvement(ours, theirs, rng) for label, theirs in scores.items()}, rows)
    ax.set(xlim=(-0.03, 1.03), ylabel="Y")
    picture.supxlabel(f"P({of} > Y)\n{ground(data)}")
    return picture


def draw_estimates(ax: Axes, estimates: dict[str, Estimate], rows: Sequence[Row]) -> None:
    """One line an estimate, the first on top: a dot and its interval."""
    for y, (label, estimate) in enumerate(estimates.items()):
        look = looks(rows)[label]
        ax.plot([estimate.low, estimate.high], [y, y], color=look["color"], linewidth=4, alpha=0.35, solid_capstyle="butt")
        ax.plot(estimate.value, y, **look, markersize=5)
    ax.set_yticks(range(len(estimates)), list(estimates))
    ax.set_ylim(len(estimates) - 0.5, -0.5)


def profiles(data: pd.DataFrame, rows: Sequence[Row]) -> Picture:
    """Performance profiles: the share of runs whose final success rate exceeds τ, with pointwise 95 % bands."""
    rng, data = np.random.default_rng(0), common(data)
    scores = final_scores(data)
    picture = Picture((COLUMN, 2.7), layout="constrained")
    ax = picture.subplots()
    for label, tasks in scores.items():
        look, (share, low, high) = looks(rows)[label], performance_profile(tasks, TAUS, rng)
        ax.plot(TAUS, share, **look, markevery=20, drawstyle="steps-post")
        ax.fill_between(TAUS, low, high, step="post", color=look["color"], alpha=0.15, linewidth=0)
    ax.set(xlim=(0, 100), ylim=(0, 1.02), ylabel="share of runs above τ")
    legend_below(picture, data, rows, f"final success rate τ (%)\n{ground(data)}")
    return picture


STATISTICS = {"IQM": interquartile_mean, "mean": mean}


@dataclass(frozen=True)
class Figure:
    """What is drawn: success rates of some rows on some tasks. Without tasks, of all; without rows, of every method."""

    title: str
    draw: Callable[[pd.DataFrame, Sequence[Row]], Picture]
    rows: tuple[Row, ...] = ()
    tasks: tuple[str, ...] = ()


NAMED = rows(*METHODS)
MAIN_TASKS = tuple(column.label for column in MAIN)
FIGURES = {
    "1": Figure("Success rate over training steps", success_curves, TABLES["1"].rows, MAIN_TASKS),
    "3": Figure("Backbone x top-K over the online phase", online_curves, TABLES["2"].rows, MAIN_TASKS),
    "4": Figure("Number of elites over the online phase", online_curves, TABLES["4"].rows, MAIN_TASKS),
    "5": Figure("Weight of the top-K loss over the online phase", online_curves, TABLES["3"].rows, cubes("quadruple")),
    "curves": Figure("Success rate over training steps, of all that there is", success_curves),
    "aggregates": Figure("IQM and mean over seeds and tasks", aggregates, NAMED),
    "profiles": Figure("Performance profiles", profiles, NAMED),
    "improvement": Figure("Probability of improvement of DFP", improvements, NAMED),
}


def draw(name: str, runs: Sequence[Run], path: Path, preset: str = "paper") -> None:
    """Draws a figure from the finished runs of a preset into a png or pdf file; equal records give equal bytes.

    ValueError in one line for another kind of file, or when there is nothing to draw.
    """
    check_suffix(path)
    figure, runs = FIGURES[name], beside(runs, preset)
    rows = (*figure.rows, *rows_of([run for run in runs if is_imported(run)])) if figure.rows else rows_of(runs)
    data = points(runs, rows, preset)
    if figure.tasks:
        data = data[data["task"].isin(figure.tasks)]
    if data.empty:
        raise ValueError(f"figure {name}: no finished run of preset {preset} belongs to it")
    path.parent.mkdir(parents=True, exist_ok=True)
    with style():
        save(figure.draw(data, rows), path)


def beside(runs: Sequence[Run], preset: str) -> list[Run]:
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
    parser.add_argument("--runs", type=Path, nargs="+", help="folders or files of records (default: records runs)")
    parser.add_argument("--preset", choices=PRESETS, default="paper", help="draw the runs of this preset (default: paper)")
    parser.add_argument(
        "--out", type=Path, default=Path("figures"), help="a png or pdf file, or a folder for both of each figure"
    )
    options = parser.parse_args(arguments)
    runs = load(files(options.runs))
    if options.out.suffix:
        if len(options.figures) > 1:
            raise ValueError(f"{options.out}: one file for {len(options.figures)} figures; name a folder")
        return draw(options.figures[0], runs, options.out, options.preset)
    if not draw_into(options.out, options.figures, runs, options.preset):
        raise ValueError(f"no figure was drawn into {options.out}")


def draw_into(folder: Path, names: Sequence[str], runs: Sequence[Run], preset: str) -> int:
    """Figures as png and pdf files of a folder, how many; says which, and which are left out since no run belongs to them."""
    drawn = 0
    for name in names:
        for suffix in (".png", ".pdf"):
            path = folder / f"figure-{name}{suffix}"
            try:
                draw(name, runs, path, preset)
            except ValueError as error:
                print(f"left out: {error}", file=sys.stderr)
                break
            print(path, file=sys.stderr)
            drawn += 1
    return drawn
