"""What final success rates say over all tasks, with bootstrap intervals (arXiv 2108.13264)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture

from tables.figures.curves import common, final_scores
from tables.figures.legend import ground, legend_below
from tables.figures.style import COLUMN, PAGE, looks
from tables.spec import Row
from tables.stats import Estimate, bootstrap, interquartile_mean, mean, performance_profile, probability_of_improvement

STATISTICS = {"IQM": interquartile_mean, "mean": mean}
TAUS = np.arange(0, 100.5)


def aggregates(data: pd.DataFrame, rows: Sequence[Row]) -> Picture:
    """IQM and mean of the final success rates over seeds and tasks, with stratified bootstrap intervals."""
    rng, data = np.random.default_rng(0), common(data)
    scores = final_scores(data)
    picture = Picture((PAGE, 0.2 * len(scores) + 0.9), layout="constrained")
    for ax, (name, statistic) in zip(picture.subplots(1, 2, sharey=True), STATISTICS.items(), strict=True):
        plot_estimates(ax, {label: bootstrap(statistic, tasks, rng) for label, tasks in scores.items()}, rows)
        ax.set(title=name)
    picture.supxlabel(f"final success rate (%); {ground(data)}")
    return picture


def improvements(data: pd.DataFrame, rows: Sequence[Row]) -> Picture:
    """Probability of improvement of DFP over each of the others; a tie counts half."""
    rng, data = np.random.default_rng(0), common(data)
    scores = final_scores(data)
    if "DFP" not in scores or len(scores) < 2:
        raise ValueError("probability of improvement: takes finished runs of DFP and of another method")
    ours = scores.pop("DFP")
    picture = Picture((COLUMN, 0.2 * len(scores) + 0.9), layout="constrained")
    ax = picture.subplots()
    ax.axvline(0.5, color="0.6", linewidth=0.8, zorder=1)
    plot_estimates(ax, {label: probability_of_improvement(ours, theirs, rng) for label, theirs in scores.items()}, rows)
    ax.set(xlim=(-0.03, 1.03), ylabel="Y")
    picture.supxlabel(f"P(DFP > Y)\n{ground(data)}")
    return picture


def plot_estimates(ax: Axes, estimates: dict[str, Estimate], rows: Sequence[Row]) -> None:
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
