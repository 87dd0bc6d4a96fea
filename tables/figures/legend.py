"""What stands below a figure: the labels that it draws, and of which tasks, seeds and data it is."""

import math
from collections.abc import Sequence
from textwrap import fill

import pandas as pd
from matplotlib.figure import Figure as Picture
from matplotlib.lines import Line2D

from tables.figures.style import looks
from tables.spec import Row

LETTER, WIDEST = 0.065, 0.085  # inches that one takes in a label, on average and at most


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
    labels = [fill(label, int((picture.get_figwidth() - 0.5) / WIDEST)) for label in shown]
    widest = 0.5 + LETTER * max(len(line) for label in labels for line in label.split("\n"))
    columns = max(1, min(len(shown), int(picture.get_figwidth() / widest)))
    lines = math.ceil(len(shown) / columns) * max(label.count("\n") + 1 for label in labels)
    picture.set_figheight(picture.get_figheight() + 0.16 * lines)
    drawn = [Line2D([], [], **look) for look in shown.values()]
    legend = picture.legend(drawn, labels, title=title, loc="outside lower center", ncols=columns)
    legend.get_title().set_multialignment("center")
