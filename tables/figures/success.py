"""Success, or what else a task is scored by, over training steps, one panel a task (arXiv 2605.07727, Figures 1 and 3-5)."""

import math
from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture

from eval.results.record import SUCCESS
from tables.figures.curves import summary
from tables.figures.legend import count_seeds, legend_below
from tables.figures.style import COLUMN, PAGE, in_steps, looks, shade_offline
from tables.spec import Row


def success_curves(data: pd.DataFrame, rows: Sequence[Row], axis: str = "training steps") -> Picture:
    """Success over steps, one panel a task: mean and 95 % interval over seeds, the offline phase shaded."""
    scored = data.groupby("task", sort=False)["scored"].first()
    tasks, alike = list(scored.index), (scored == SUCCESS).all()
    across = min(4, len(tasks))
    down = math.ceil(len(tasks) / across)
    picture = Picture((min(PAGE, COLUMN * across), 1.35 * down + 0.8), layout="constrained")
    axes = picture.subplots(down, across, sharey=bool(alike), squeeze=False).flatten()
    curves = summary(data)
    for task, ax in zip(tasks, axes, strict=False):
        here = data[data["task"] == task]
        plot_curves(ax, curves[curves["task"] == task], rows)
        if here["offline_steps"].nunique() == 1:
            shade_offline(ax, here["offline_steps"].iloc[0])
        ax.set(
            title=task + ("*" if here["generated"].any() else ""),
            xlim=(0, here["step"].max()),
        )
        if scored[task] == SUCCESS:
            ax.set(ylim=(0, 102), yticks=range(0, 101, 25))
        if not alike:
            ax.set_ylabel(scored[task])
        in_steps(ax, 4 if across > 1 else 6)
    for ax in axes[len(tasks) :]:
        ax.remove()
    for ax in axes[::across] if alike else ():
        ax.set_ylabel(SUCCESS)
    generated = "\n* generated data" if data["generated"].any() else ""
    legend_below(picture, data, rows, f"{axis}; mean and 95 % interval over {count_seeds(data)}{generated}")
    return picture


def online_curves(data: pd.DataFrame, rows: Sequence[Row]) -> Picture:
    """The online phase alone, counted from the offline phase's last evaluation."""
    step = data["step"] - data["offline_steps"]
    return success_curves(data.assign(step=step, offline_steps=0)[step >= 0], rows, "online steps")


def time_curves(data: pd.DataFrame, rows: Sequence[Row]) -> Picture:
    """Success over the minutes that training took, of the runs that say so, both as means over seeds.

    Only runs of one machine, with as many seeds in a process, can be compared; the axis says where there are several.
    ValueError where no record has a clock.
    """
    timed = data.dropna(subset="seconds")
    if timed.empty:
        raise ValueError("no record here says how long training took: those of earlier versions do not")
    minutes = timed.groupby(["label", "task", "step"])["seconds"].transform("mean") / 60
    machines = timed["device"].nunique()
    axis = "minutes of training" + f", on {machines} kinds of machine: not to be compared" * (machines > 1)
    return success_curves(timed.assign(step=minutes, offline_steps=0), rows, axis)


def plot_curves(ax: Axes, curves: pd.DataFrame, rows: Sequence[Row]) -> None:
    for label, look in looks(rows).items():
        curve = curves[curves["label"] == label]
        ax.plot(curve["step"], curve["mean"], **look, markevery=max(1, len(curve) // 6))
        ax.fill_between(curve["step"], curve["low"], curve["high"], color=look["color"], alpha=0.15, linewidth=0)
