"""The picture of one run: success over steps, and beneath it what its metrics say of the critic and the policy."""

import math
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture

from eval.results.record import SUCCESS, Run, of_one_sample, score, scored_by
from tables.figures.curves import in_order
from tables.figures.style import PAGE, check_suffix, in_steps, save, shade_offline, style
from tables.rules import on_generated_data
from tables.spec import label_of

ACROSS = 4
SETS = ("data", "elites", "target", "candidates", "generated")
ONE_SAMPLE = "one sample"
LINES = ("", *SETS, ONE_SAMPLE)
"""Each has its colour in every panel."""


def run_picture(run: Run, path: Path) -> None:
    """A run, finished or not, as a png or pdf file: mean over its seeds and the band from the lowest to the highest.

    ValueError in one line for another kind of file, or when the record holds no evaluation and no metrics yet.
    """
    check_suffix(path)
    data = series(run)
    if data.empty:
        raise ValueError(f"{run.path}: no evaluation and no metrics yet, nothing to draw")
    with style():
        save(panels(data, title(run), run.start["config"]["offline_steps"], scored_by(run.start)), path)


def series(run: Run) -> pd.DataFrame:
    """panel, line, seed, step, value: success rates and metrics; steps count from the start of the offline phase.

    `loss`, the sum of what is optimised, is left out.
    """
    config, lines = run.start["config"], []
    for e in run.evaluations:
        lines.append((scored_by(run.start), "", e["seed"], run.training_step(e), score(e)))
        if "one_sample" in e:
            lines.append((scored_by(run.start), ONE_SAMPLE, e["seed"], run.training_step(e), of_one_sample(e)))
    for m in run.metrics:
        for name, values in by_set(m["values"]).items():
            for seed, value in zip(config["seeds"], values, strict=True):
                if name != "loss":
                    lines.append((*place(name), seed, run.training_step(m), value))
    return pd.DataFrame(lines, columns=["panel", "line", "seed", "step", "value"])


def by_set(values: Mapping[str, list[float]]) -> dict[str, list[float]]:
    """One step's metrics, those of a set of actions named after it; records from before sets had names number them."""
    sets = ("elites", "data") if "drift_force_1" in values else ("data",)
    numbered = {f"{name}_{i}": f"{name}_{of}" for name in ("drift_force", "drift_scale") for i, of in enumerate(sets)}
    return {numbered.get(name, name): numbers for name, numbers in values.items()}


def place(name: str) -> tuple[str, str]:
    """A metric's panel and line: what is measured on several sets of actions is one panel, and so are the values of Q."""
    measured, _, of = name.rpartition("_")
    return (measured, of) if of in SETS or measured == "q" else (name, "")


def title(run: Run) -> str:
    """The method, where it ran, and how it ended."""
    config = run.start["config"]
    data = ["generated data"] if on_generated_data(run) else []
    seeds = f"{len(config['seeds'])} seeds, mean and range" if len(config["seeds"]) > 1 else f"seed {config['seeds'][0]}"
    status = [] if run.status == "finished" else [run.status]
    return ", ".join([label_of(run.start["config"]), config["task"], f"preset {config['preset']}", *data, seeds, *status])


def panels(data: pd.DataFrame, title: str, offline_steps: int, scored: str = SUCCESS) -> Picture:
    """What the task is scored by across the whole width, if there is any, and a small panel for each family of metrics."""
    found = set(data["panel"])
    metrics, first = sorted(found - {scored}, key=order), int(scored in found)
    down = math.ceil(len(metrics) / ACROSS)
    picture = Picture((PAGE, 2 * first + 1.35 * down + 0.4), layout="constrained")
    grid = picture.add_gridspec(first + down, ACROSS, height_ratios=[1.4] * first + [1] * down)
    if first:
        ax = plot_panel(picture.add_subplot(grid[0, :]), data, scored, offline_steps, ticks=8)
        ax.set(ylabel=scored, **({"ylim": (0, 102)} if scored == SUCCESS else {}))
    for i, panel in enumerate(metrics):
        ax = picture.add_subplot(grid[first + i // ACROSS, i % ACROSS])
        plot_panel(ax, data, panel, offline_steps, ticks=3).set_title(panel)
    picture.suptitle(title)
    picture.supxlabel("training steps")
    return picture


def order(panel: str) -> tuple[bool, bool, str]:
    """Of metrics' panels: Q, losses, then the rest."""
    return panel != "q", not panel.endswith("loss"), panel


def plot_panel(ax: Axes, data: pd.DataFrame, panel: str, offline_steps: int, ticks: int) -> Axes:
    palette = dict(zip(LINES, seaborn.color_palette("colorblind").as_hex(), strict=False))
    here = data[data["panel"] == panel]
    lines = sorted(set(here["line"]), key=lambda line: in_order(LINES, line))
    for line in lines:
        curve = here[here["line"] == line].groupby("step")["value"].agg(["mean", "min", "max"])
        colour = palette.get(line, "0.3")
        ax.plot(curve.index, curve["mean"], color=colour, label=line or panel, linewidth=1)
        ax.fill_between(curve.index, curve["min"], curve["max"], color=colour, alpha=0.2, linewidth=0)
    if len(lines) > 1:
        ax.legend(loc="best", fontsize=7, handlelength=1, labelspacing=0.2, borderpad=0)
    low, high = ax.get_ylim()
    room = 0.01 * max(abs(low), abs(high))
    if high - low < room:  # a constant is a flat line, not its rounding errors
        ax.set_ylim(low - room, high + room)
    ax.set_xlim(0, data["step"].max())
    shade_offline(ax, offline_steps)
    in_steps(ax, ticks)
    return ax
